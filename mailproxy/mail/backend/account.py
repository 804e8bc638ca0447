"""The account that a check logs in with."""

from __future__ import annotations

import re
from base64 import b64encode

from attrs import field, frozen

from mailproxy.mail.backend.talk import Talk, Unexpected

_LIMIT = 255
"""The length that every server accepts for a name or a password, in octets (RFC 4616 section 2)."""


def _fits(what: str, value: bytes) -> None:
    if not value:
        raise ValueError(f"the {what} is empty")
    if len(value) > _LIMIT:
        raise ValueError(f"the {what} has {len(value)} octets in UTF-8, {_LIMIT} is the most")
    if any(byte < 0x20 or byte == 0x7F for byte in value):
        raise ValueError(f"the {what} has a control character in it")


@frozen
class Account:
    """A name and its password in UTF-8, which are sent unchanged, without preparation or case folding."""

    user: bytes
    password: bytes = field(repr=False)

    @classmethod
    def of(cls, user: str, password: str) -> Account:
        """Make an account from text; ValueError, which does not show the password, if no protocol can carry it."""
        account = cls(user.encode(), password.encode())
        _fits("user", account.user)
        _fits("password", account.password)
        return account

    @property
    def is_ascii(self) -> bool:
        """True if the plain commands can carry both; others need SASL."""
        return self.user.isascii() and self.password.isascii()

    @property
    def plain(self) -> bytes:
        """The message of SASL PLAIN (RFC 4616 section 2), in base64."""
        return b64encode(b"\0%s\0%s" % (self.user, self.password))

    @property
    def imap_strings(self) -> tuple[bytes, bytes]:
        """Name and password as IMAP's quoted strings (RFC 9051 section 4.3)."""
        return quoted(self.user), quoted(self.password)

    def hidden(self, line: bytes) -> bytes:
        """
        Remove the password from a line: a server may repeat what it refuses.

        It is found as it is sent, and in base64 as in AUTH LOGIN; a part of it is not found.
        """
        encoded = (self.plain, b64encode(self.password))
        unpadded = (text.rstrip(b"=") for text in encoded)
        forms = {self.password, self.imap_strings[1][1:-1], *encoded, *unpadded}
        longest_first = sorted(forms, key=len, reverse=True)
        return re.sub(b"|".join(map(re.escape, longest_first)), b"<password>", line, flags=re.IGNORECASE)


@frozen
class Login:
    """The login of a check: its account, the mailbox to open, and its own host name."""

    account: Account
    mailbox: bytes | None
    """IMAP: opened with SELECT. POP3: with any value, STAT checks the account's mailbox."""
    host: bytes


def quoted(text: bytes) -> bytes:
    """Write ASCII without control characters as IMAP's quoted string (RFC 9051 section 4.3)."""
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def secretly(talk: Talk[None], account: Account) -> Talk[None]:
    """
    Have a talk whose failures do not show the password; incomplete lines are left out, because they may end with a part
    of it.
    """
    try:
        yield from talk
    except Unexpected as refused:
        received = b"" if refused.silence else account.hidden(refused.received)
        raise type(refused)(refused.step, refused.expected, received, refused.silence) from None
