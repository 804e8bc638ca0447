"""The demo's ManageSieve server (RFC 5804): a login, and an account without scripts."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

from twisted.cred.error import UnauthorizedLogin
from twisted.internet.interfaces import ITransport
from twisted.protocols.basic import LineOnlyReceiver

from mailproxy.demo import account
from mailproxy.demo.visit import ReportAction, ignore_action

LISTING = b"""\
"IMPLEMENTATION" "mailproxy demo ManageSieve"\r
"VERSION" "1.0"\r
"SASL" "PLAIN"\r
"SIEVE" "fileinto"\r
OK"""
"""The capabilities, which are also the greeting (section 1.7)."""

_PLAIN = re.compile(rb'AUTHENTICATE +"PLAIN" +"([A-Za-z0-9+/=]*)"', re.IGNORECASE)


class ManageSieveServer(LineOnlyReceiver):
    """Knows the commands to log in, to list scripts, and to leave."""

    transport: ITransport
    MAX_LENGTH = 2048

    def __init__(self, report: ReportAction = ignore_action) -> None:
        """Wait for a login."""
        self._report = report
        self._is_logged_in = False

    def connectionMade(self) -> None:
        """Greet."""
        self.sendLine(LISTING)

    def lineReceived(self, line: bytes) -> None:
        """Answer one command."""
        if login := _PLAIN.fullmatch(line):
            self._log_in(login[1])
            return
        match line.split(b" ")[0].upper():
            case b"CAPABILITY":
                self.sendLine(LISTING)
            case b"NOOP":
                self.sendLine(b"OK")
            case b"LOGOUT":
                self.sendLine(b"OK")
                self.transport.loseConnection()
            case b"LISTSCRIPTS" if self._is_logged_in:
                self.sendLine(b'OK "no scripts"')
            case _:
                self.sendLine(b'NO "not a command that the demo knows"')

    def _log_in(self, response: bytes) -> None:
        try:
            _, user, password = b64decode(response, validate=True).split(b"\0")
            account.check(user, password)
        except (binascii.Error, ValueError, UnauthorizedLogin):
            self.sendLine(b'NO "wrong user or password"')
            return
        self._is_logged_in = True
        self._report(f"{account.USER} logs in by ManageSieve")
        self.sendLine(b"OK")
