"""The account that a check logs in with."""

from __future__ import annotations

import re
from base64 import b64encode

from attrs import field, frozen

from mailproxy.mail.backend.talk import Talk, Unexpected

_LIMIT = 255
"""Octets that every server takes as a name or a password (RFC 4616 section 2)."""


def _fits(what: str, value: bytes) -> None:
    if not value:
        raise ValueError(f"the {what} is empty")
    if len(value) > _LIMIT:
        raise ValueError(f"the {what} has {len(value)} octets in UTF-8, {_LIMIT} is the most")
    if any(byte < 0x20 or byte == 0x7F for byte in value):
        raise ValueError(f"the {what} has a control character in it")


@frozen
class Account:
    """A name and its password in UTF-8, which go to servers as they are: nothing prepares or folds them."""

    user: bytes
    password: bytes = field(repr=False)

    @classmethod
    def of(cls, user: str, password: str) -> Account:
        """Make one of text; ValueError, without a letter of the password, if no protocol could carry it."""
        account = cls(user.encode(), password.encode())
        _fits("user", account.user)
        _fits("password", account.password)
        return account

    @property
    def is_ascii(self) -> bool:
        """True if the plain commands can carry both; others take SASL."""
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
        Take the password out of a line: a server may repeat what it does not take.

        It is found as it is sent, and in base64 alone, as AUTH LOGIN has it; a part of it is not found.
        """
        encoded = (self.plain, b64encode(self.password))
        unpadded = (text.rstrip(b"=") for text in encoded)
        forms = {self.password, self.imap_strings[1][1:-1], *encoded, *unpadded}
        longest_first = sorted(forms, key=len, reverse=True)
        return re.sub(b"|".join(map(re.escape, longest_first)), b"<password>", line, flags=re.IGNORECASE)


@frozen
class Login:
    """With which account a check logs in, what it opens then, and what it calls itself."""

    account: Account
    mailbox: bytes | None
    """IMAP: opened with SELECT. POP3: if it is given, whatever it is, STAT looks into the one there is."""
    host: bytes


def quoted(text: bytes) -> bytes:
    """Write ASCII without control characters as IMAP's quoted string (RFC 9051 section 4.3)."""
    return b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def secretly(talk: Talk[None], account: Account) -> Talk[None]:
    """Have a talk whose failures do not tell the password; pieces of lines are left out, they may end in one of it."""
    try:
        yield from talk
    except Unexpected as refused:
        came = b"" if refused.silence else account.hidden(refused.came)
        raise type(refused)(refused.step, refused.expected, came, refused.silence) from None
