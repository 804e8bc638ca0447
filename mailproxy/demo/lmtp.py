"""The demo's LMTP server (RFC 2033): one recipient, whose inbox takes what comes."""

from collections.abc import Callable
from email.utils import format_datetime

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import ITransport
from twisted.mail import smtp
from zope.interface import implementer

from mailproxy.demo.account import USER
from mailproxy.demo.inbox import MAX_MESSAGE_BYTES, Inbox, now


@implementer(smtp.IMessage)
class Delivery:
    """The lines of one message on their way to the inbox, up to the size that it takes."""

    def __init__(self, inbox: Inbox) -> None:
        """Start with no line."""
        self._inbox = inbox
        self._lines: list[bytes] = []
        self._size = 0

    def lineReceived(self, line: bytes) -> None:
        """Keep one line, without its end; Twisted answers with the error once the client has sent the rest."""
        self._size += len(line) + 2
        if self._size > MAX_MESSAGE_BYTES:
            raise smtp.SMTPServerError(552, b"5.3.4 more than %d bytes" % MAX_MESSAGE_BYTES)  # Twisted needs bytes here
        self._lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        """Put the message into the inbox."""
        self._inbox.deliver(b"".join(line + b"\r\n" for line in self._lines))
        return succeed(None)

    def connectionLost(self) -> None:
        """Forget the message: it was too large, or its client went away."""
        self._lines.clear()


class LmtpServer(smtp.SMTP):
    """
    Twisted's SMTP server, made LMTP.

    LMTP answers DATA once for each recipient. There is one account, and a message is for one recipient, so one answer
    is right: a second RCPT is told to come with a message of its own, as RFC 5321, section 4.5.3.1.10, provides.
    """

    noisy = False
    transport: ITransport

    def __init__(self, inbox: Inbox) -> None:
        """Deliver to `inbox`."""
        super().__init__()
        self.host = b"localhost"
        self._inbox = inbox
        self._name = b""
        self._recipients = 0

    def greeting(self) -> bytes:
        """Say what this is."""
        return b"localhost mailproxy demo LMTP"

    def do_LHLO(self, name: bytes) -> None:
        """Greet, with the extensions that need nothing of us."""
        self._name = name
        self.sendCode(250, b"localhost\nPIPELINING\nENHANCEDSTATUSCODES\n8BITMIME\nSIZE %d" % MAX_MESSAGE_BYTES)

    def do_HELO(self, name: bytes) -> None:
        """Refuse SMTP's greeting: an LMTP server must (RFC 2033, section 4.1)."""
        self.sendCode(500, b"5.5.1 this is LMTP: LHLO")

    do_EHLO = do_HELO

    def validateFrom(self, helo: tuple[bytes, bytes], origin: smtp.Address) -> smtp.Address:
        """Take mail from anyone."""
        self._recipients = 0
        return origin

    def validateTo(self, user: smtp.User) -> Callable[[], Delivery]:
        """Take mail for the one account, in any domain."""
        if user.dest.local.decode("ascii", "replace").lower() != USER:
            raise smtp.SMTPBadRcpt(user, 550, "5.1.1 no such user")
        if self._recipients:
            raise smtp.SMTPBadRcpt(user, 452, "4.5.3 one recipient a message")
        if self._inbox.is_full:
            raise smtp.SMTPBadRcpt(user, 452, "4.2.2 mailbox full")
        self._recipients += 1
        return lambda: Delivery(self._inbox)

    def receivedHeader(self, helo: tuple[bytes, bytes], origin: smtp.Address, recipients: list[smtp.User]) -> bytes:
        """Show the client that the PROXY header named."""
        peer = str(getattr(self.transport.getPeer(), "host", "a UNIX socket"))
        date = format_datetime(now())
        return b"Received: from %s ([%s])\n\tby localhost with LMTP; %s" % (self._name, peer.encode(), date.encode())
