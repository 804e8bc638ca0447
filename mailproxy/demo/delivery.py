"""Delivers messages into the demo's inbox, by LMTP or by submission."""

from collections.abc import Callable
from email.utils import format_datetime

from twisted.internet.defer import Deferred, succeed
from twisted.mail import smtp
from zope.interface import implementer

from mailproxy.demo.account import USER
from mailproxy.demo.inbox import MAX_MESSAGE_BYTES, Inbox, now
from mailproxy.demo.visit import ReportAction


@implementer(smtp.IMessage)
class Incoming:
    """The lines of one message for the inbox, up to its size limit."""

    def __init__(self, inbox: Inbox, report: ReportAction) -> None:
        """Start with no line."""
        self._inbox = inbox
        self._report = report
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
        self._report(f"a message for {USER} arrives")
        return succeed(None)

    def connectionLost(self) -> None:
        """Forget the message: it was too large, or its client closed."""
        self._lines.clear()


@implementer(smtp.IMessageDelivery)
class Delivery:
    """
    The rules of one session: mail for the one account, one recipient a message.

    LMTP answers DATA once for each recipient, so one answer is right: a second RCPT gets the temporary error of RFC
    5321, section 4.5.3.1.10.
    """

    def __init__(self, inbox: Inbox, protocol: str, client: Callable[[], str], report: ReportAction) -> None:
        """Deliver to `inbox`; `client` gives the client's address for the line ``Received:``."""
        self._inbox = inbox
        self._protocol = protocol
        self._client = client
        self._report = report
        self._recipients = 0

    def validateFrom(self, helo: tuple[bytes, bytes], origin: smtp.Address) -> smtp.Address:
        """Accept mail from any sender."""
        self._recipients = 0
        return origin

    def validateTo(self, user: smtp.User) -> Callable[[], Incoming]:
        """Accept mail for the one account, in any domain."""
        if user.dest.local.decode("ascii", "replace").lower() != USER:
            raise smtp.SMTPBadRcpt(user, 550, "5.1.1 no such user")
        if self._recipients:
            raise smtp.SMTPBadRcpt(user, 452, "4.5.3 one recipient a message")
        if self._inbox.is_full:
            raise smtp.SMTPBadRcpt(user, 452, "4.2.2 mailbox full")
        self._recipients += 1
        return lambda: Incoming(self._inbox, lambda what: self._report(f"{what} by {self._protocol}"))

    def receivedHeader(
        self, helo: tuple[bytes | None, bytes], origin: smtp.Address, recipients: list[smtp.User]
    ) -> bytes:
        """Show the client that the PROXY header named."""
        return b"Received: from %s ([%s])\n\tby localhost with %s; %s" % (
            helo[0] or b"somebody",
            self._client().encode(),
            self._protocol.encode(),
            format_datetime(now()).encode(),
        )
