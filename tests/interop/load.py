"""Clients that log in all the time, as mail clients do: one that fails tries once more at once."""

import imaplib
import poplib
import smtplib
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from attrs import frozen

from tests.interop.clients import Imap, Lmtp, ManageSieve, Pop3, SieveRefused, Submission, connect_tls
from tests.interop.dovecot import PASSWORD, USER
from tests.interop.waiting import PATIENCE_SECONDS, until

PAUSE_SECONDS = 0.1  # between two logins of a client; a Dovecot starts two processes for each
_FAILURES = (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException, SieveRefused)


@frozen
class Attempt:
    """One attempt to log in: its protocol, and why it failed."""

    protocol: str
    began: float
    ended: float
    is_second: bool
    failure: str | None

    @property
    def is_lost(self) -> bool:
        """True if the user sees an error."""
        return self.is_second and self.failure is not None


def _imap(connection: ssl.SSLSocket) -> None:
    imap = Imap(connection)
    imap.login(USER, PASSWORD)
    imap.logout()


def _pop3(connection: ssl.SSLSocket) -> None:
    pop3 = Pop3(connection)
    pop3.user(USER)
    pop3.pass_(PASSWORD)
    pop3.quit()


def _submission(connection: ssl.SSLSocket) -> None:
    smtp = Submission(connection)
    smtp.login(USER, PASSWORD, initial_response_ok=True)
    smtp.quit()


def _lmtp(connection: ssl.SSLSocket) -> None:
    # Without a recipient: nobody logs in here, and a Dovecot that cannot authenticate is still a good LMTP server until
    # it is asked for one.
    lmtp = Lmtp(connection)
    lmtp.ehlo_or_helo_if_needed()
    lmtp.mail("bob@example.org")
    lmtp.quit()


def _managesieve(connection: ssl.SSLSocket) -> None:
    sieve = ManageSieve(connection)
    sieve.authenticate(USER, PASSWORD)
    sieve.logout()


_LOGINS: Mapping[str, Callable[[ssl.SSLSocket], None]] = {
    "imap": _imap,
    "pop3": _pop3,
    "submission": _submission,
    "lmtp": _lmtp,
    "managesieve": _managesieve,
}


class Load:
    """One client for each protocol; in its `with` block they log in, one login after the other."""

    def __init__(self, ports: Mapping[str, int], context: ssl.SSLContext) -> None:
        self.attempts: list[Attempt] = []
        self._context = context
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._log_in_again_and_again, args=item, daemon=True) for item in ports.items()
        ]

    @property
    def lost(self) -> list[Attempt]:
        """Second attempts that failed too."""
        return [attempt for attempt in self.attempts if attempt.is_lost]

    def __str__(self) -> str:
        """Sum up how it went."""
        failed = [attempt for attempt in self.attempts if attempt.failure is not None]
        slowest = max(attempt.ended - attempt.began for attempt in self.attempts)
        text = f"{len(self.attempts)} attempts to log in, the slowest took {slowest:.2f} s, {len(failed)} failed"
        return "\n".join([text, *map(str, failed)])

    def until_more(self, count: int = 10) -> None:
        """Wait until this number of further logins has succeeded."""
        wanted = self._succeeded() + count
        until(lambda: self._succeeded() >= wanted, f"{count} more logins")

    def _succeeded(self) -> int:
        return sum(attempt.failure is None for attempt in self.attempts)

    def _log_in_again_and_again(self, protocol: str, port: int) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            if not self._log_in(protocol, port, is_second=False):
                self._log_in(protocol, port, is_second=True)

    def _log_in(self, protocol: str, port: int, *, is_second: bool) -> bool:
        began, failure = time.time(), None
        try:
            connection = connect_tls(port, self._context)
            with connection:
                _LOGINS[protocol](connection)
        except _FAILURES as error:
            failure = repr(error)
        self.attempts.append(Attempt(protocol, began, time.time(), is_second, failure))
        return failure is None

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
