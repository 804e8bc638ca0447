"""The demo's LMTP server (RFC 2033), with one recipient."""

from typing import Any

from twisted.internet.interfaces import ITransport
from twisted.mail import smtp

from mailproxy.demo.delivery import Delivery
from mailproxy.demo.inbox import MAX_MESSAGE_BYTES, Inbox
from mailproxy.demo.visit import ReportAction, ignore_action


class LmtpServer(smtp.SMTP):
    """Twisted's SMTP server, made LMTP."""

    noisy = False
    transport: ITransport

    def __init__(self, inbox: Inbox, report: ReportAction = ignore_action) -> None:
        """Deliver to `inbox`."""
        super().__init__()
        self.host = b"localhost"
        self.delivery = Delivery(inbox, "LMTP", lambda: peer(self), report)

    def greeting(self) -> bytes:
        """Say what this is."""
        return b"localhost mailproxy demo LMTP"

    def do_LHLO(self, name: bytes) -> None:
        """Greet, with the extensions that need nothing of us."""
        self._helo = name, peer(self).encode()
        self.sendCode(250, b"localhost\nPIPELINING\nENHANCEDSTATUSCODES\n8BITMIME\nSIZE %d" % MAX_MESSAGE_BYTES)

    def do_HELO(self, name: bytes) -> None:
        """Refuse SMTP's greeting: an LMTP server must (RFC 2033, section 4.1)."""
        self.sendCode(500, b"5.5.1 this is LMTP: LHLO")

    do_EHLO = do_HELO


def peer(server: smtp.SMTP) -> str:
    """The client's address, which is the one in the PROXY header."""
    transport: Any = server.transport
    return str(transport.getPeer().host)
