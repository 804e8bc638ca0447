"""
An IMAP server with the oldest fault of STARTTLS, for `mailproxy check-starttls` to find.

Bytes that come together with STARTTLS stay in the buffer, and are executed after the handshake as if the client had
sent them inside TLS (CVE-2011-0411). There are no logins.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IOpenSSLContextFactory
from twisted.protocols.basic import LineOnlyReceiver


class VulnerableServer(LineOnlyReceiver):
    """Has STARTTLS, and continues to read from the same buffer after it."""

    transport: Any

    def __init__(self, context: IOpenSSLContextFactory) -> None:
        """Begin TLS with `context`."""
        self._context = context
        self._is_secure = False

    def connectionMade(self) -> None:
        """Greet."""
        self.sendLine(b"* OK a server that keeps what came with STARTTLS")

    def lineReceived(self, line: bytes) -> None:
        """Answer one command. This is called again for each line that is in the buffer: that is the fault."""
        tag, _, command = line.partition(b" ")
        match command.upper():
            case b"CAPABILITY":
                offer = b"AUTH=PLAIN" if self._is_secure else b"STARTTLS LOGINDISABLED"
                self.sendLine(b"* CAPABILITY IMAP4rev1 " + offer)
                self.sendLine(tag + b" OK")
            case b"NOOP":
                self.sendLine(tag + b" OK")
            case b"LOGOUT":
                self.sendLine(b"* BYE")
                self.sendLine(tag + b" OK")
                self.transport.loseConnection()
            case b"STARTTLS" if not self._is_secure:
                self.sendLine(tag + b" OK begin TLS")
                self._is_secure = True
                self.transport.startTLS(self._context)
            case _ if line.endswith(b"}"):
                # It has only this fault: the rest of a login must not be read as commands.
                self.sendLine(tag + b" BAD no literals")
                self.transport.loseConnection()
            case _:
                self.sendLine(tag + (b" NO nobody logs in here" if self._is_secure else b" BAD TLS first"))
