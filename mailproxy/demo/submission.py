"""The demo's submission server (RFC 6409): after a login, a client can send to the one inbox only."""

from collections.abc import Callable
from typing import Any

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import ITransport
from twisted.mail import imap4, smtp
from zope.interface import Interface, implementer

from mailproxy.demo.account import PASSWORD, USER
from mailproxy.demo.delivery import Delivery
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.lmtp import peer
from mailproxy.demo.visit import ReportAction, ignore_action


@implementer(IRealm)
class Realm:
    """Gives a session its delivery once the client has logged in."""

    def __init__(self, delivery: Delivery, report: ReportAction) -> None:
        """Give `delivery`."""
        self._delivery = delivery
        self._report = report

    def requestAvatar(
        self, avatarId: object, mind: object, *interfaces: type[Interface]
    ) -> tuple[type[Interface], Delivery, Callable[[], None]]:
        """Report the login, and return the delivery."""
        self._report(f"{USER} logs in by submission")
        return smtp.IMessageDelivery, self._delivery, lambda: None


class SubmissionServer(smtp.ESMTP):
    """Twisted's ESMTP server with the demo's account."""

    noisy = False
    transport: ITransport

    def __init__(self, inbox: Inbox, report: ReportAction = ignore_action, *, relays: bool = False) -> None:
        """Deliver to `inbox`; if it `relays`, for another server that has checked the login."""
        super().__init__({b"PLAIN": imap4.PLAINCredentials, b"LOGIN": imap4.LOGINCredentials})
        self.host = b"localhost"
        delivery = Delivery(inbox, "submission", lambda: peer(self), report)
        if relays:
            self.delivery = delivery
        realm = Realm(delivery, report)
        checker = InMemoryUsernamePasswordDatabaseDontUse(**{USER: PASSWORD.encode()})
        self.portal = Portal(realm, [checker])  # type: ignore[assignment]  # Twisted's is None, without a type

    def greeting(self) -> bytes:
        """Say what this is."""
        return b"localhost mailproxy demo ESMTP"

    def extensions(self) -> dict[bytes, list[bytes] | None]:
        """Name the extensions."""
        extensions: dict[bytes, Any] = super().extensions()
        return {b"PIPELINING": None, b"8BITMIME": None, **extensions}
