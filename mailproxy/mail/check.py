"""What a health check says to a server: as little as tells whether it works, and a polite goodbye."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from mailproxy.mail.backend import imap, managesieve, pop3, smtp
from mailproxy.mail.backend.account import Account, secretly
from mailproxy.mail.backend.talk import Talk


@frozen
class Login:
    """With which account a check logs in, what it opens then, and what it calls itself."""

    account: Account
    mailbox: bytes | None
    """IMAP: opened with SELECT. POP3: if it is given, whatever it is, STAT looks into the one there is."""
    host: bytes


def _imap_login(login: Login) -> Talk[None]:
    yield from imap.meet()
    yield from imap.login(login.account)
    if login.mailbox is not None:
        yield from imap.look(login.mailbox)


def _pop3_login(login: Login) -> Talk[None]:
    yield from pop3.greet()
    yield from pop3.login(login.account)
    if login.mailbox is not None:
        yield from pop3.look()


def _smtp_login(login: Login) -> Talk[None]:
    yield from smtp.greet()
    yield from smtp.login(login.account, login.host, must=False)


def _submission_login(login: Login) -> Talk[None]:
    yield from smtp.greet()
    yield from smtp.login(login.account, login.host, must=True)


def _lmtp_login(login: Login) -> Talk[None]:
    """There is no login in LMTP: it is asked for its extensions, which takes about as much of it."""
    yield from smtp.greet()
    yield from smtp.hello(login.host, b"LHLO")


def _managesieve_login(login: Login) -> Talk[None]:
    yield from managesieve.meet()
    yield from managesieve.login(login.account)


@frozen
class _Words:
    greet: Callable[[], Talk[bytes]]
    login: Callable[[Login], Talk[None]]
    part: Callable[[], Talk[None]]


_WORDS: Mapping[str, _Words] = {
    "imap": _Words(imap.greet, _imap_login, imap.part),
    "pop3": _Words(pop3.greet, _pop3_login, pop3.part),
    "smtp": _Words(smtp.greet, _smtp_login, smtp.part),
    "submission": _Words(smtp.greet, _submission_login, smtp.part),
    "lmtp": _Words(smtp.greet, _lmtp_login, smtp.part),
    "managesieve": _Words(managesieve.greet, _managesieve_login, managesieve.part),
}

CHECKED_PROTOCOLS = frozenset(_WORDS)
"""The protocols that these checks speak."""


def mail_check(protocol: str) -> Talk[None]:
    """
    Hear the greeting to its end, and leave; raises `BackendRefused` in the talk if the server does not work.

    What the server says until it answers the goodbye tells whether it has understood the PROXY header: `Misunderstood`
    if not.

    That is the quietest one can be: Dovecot logs one line for a connection that logs out, and no fewer for one that
    says nothing. KeyError for a protocol whose server does not greet.
    """
    words = _WORDS[protocol]
    yield from words.greet()
    yield from words.part()


def login_check(protocol: str, login: Login) -> Talk[None]:
    """
    Log in and leave; raises `AccountRefused` in the talk if it is the account that does not work.

    No failure tells the password. KeyError for a protocol whose server does not greet.
    """
    words = _WORDS[protocol]
    yield from secretly(words.login(login), login.account)
    yield from words.part()
