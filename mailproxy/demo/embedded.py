"""A mail server of the demo inside this process: five protocols behind the PROXY header, which can be killed."""

from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Protocol

from mailproxy.demo.imap import ImapServer
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.lmtp import LmtpServer
from mailproxy.demo.managesieve import ManageSieveServer
from mailproxy.demo.pop3 import Pop3Server
from mailproxy.demo.ports import FRONT, SERVERS
from mailproxy.demo.submission import SubmissionServer
from mailproxy.demo.visit import ReportAction, Visit, Visits
from mailproxy.endpoints import AcceptProxyServerEndpoint, RefusalHook
from mailproxy.proxyprotocol import AcceptPolicy

HEADER_SECONDS = 2.0
"""The longest silence of a client without a header: trying it should not take long."""

ONLY_MAILPROXY = AcceptPolicy(trusted=(ip_network(FRONT),), refuse_others=True, timeout=HEADER_SECONDS)


def protocols(inbox: Inbox) -> Mapping[str, Callable[[ReportAction], Protocol]]:
    """The factories of each protocol's server, for one inbox."""
    return {
        "imap": lambda report: ImapServer(inbox, report),
        "pop3": lambda report: Pop3Server(inbox, report),
        "lmtp": lambda report: LmtpServer(inbox, report),
        "submission": lambda report: SubmissionServer(inbox, report),
        "managesieve": ManageSieveServer,
    }


class EmbeddedServer:
    """One server, on its own address."""

    def __init__(
        self,
        name: str,
        ports: Mapping[str, int],
        inbox: Inbox,
        reactor: Any,
        *,
        report: Callable[[Visit], None],
        on_refusal: RefusalHook,
    ) -> None:
        """Serve `inbox` at `ports`, by protocol, once it is started; report clients' actions and refusals."""
        self._host = SERVERS[name]
        self._ports = ports
        self._reactor = reactor
        self._on_refusal = on_refusal
        self._visits = {protocol: Visits(name, make, report) for protocol, make in protocols(inbox).items()}
        self._listening: list[IListeningPort] = []

    @property
    def is_up(self) -> bool:
        """Whether it runs: it was started and not killed since."""
        return bool(self._listening)

    async def start(self) -> None:
        """Listen."""
        for protocol, visits in self._visits.items():
            endpoint = TCP4ServerEndpoint(self._reactor, self._ports[protocol], interface=self._host)
            proxied = AcceptProxyServerEndpoint(endpoint, ONLY_MAILPROXY, on_refusal=self._on_refusal)
            self._listening.append(await proxied.listen(visits))

    async def kill(self) -> None:
        """Stop listening, and abort all connections."""
        listening, self._listening = self._listening, []
        for port in listening:
            await maybeDeferred(port.stopListening)
        for visits in self._visits.values():
            visits.abort()
