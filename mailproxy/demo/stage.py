"""The demo as it runs: three servers, and the front of `mailproxy run` before them."""

import socket
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Protocol

from mailproxy.config import load
from mailproxy.demo import account, certificates, configuration
from mailproxy.demo.configuration import Ports
from mailproxy.demo.imap import ImapServer
from mailproxy.demo.inbox import Inbox
from mailproxy.demo.introduction import Introductions
from mailproxy.demo.lmtp import LmtpServer
from mailproxy.demo.pop3 import Pop3Server
from mailproxy.demo.report import invitation, learnt
from mailproxy.endpoints import AcceptProxyServerEndpoint
from mailproxy.proxyprotocol import AcceptPolicy
from mailproxy.service import ProxyService

LOOPBACK = "127.0.0.1"

PREFERRED = Ports(imap=10993, pop3=10995, lmtp=10024)
"""Ports that are easy to recognise; another one where somebody has it."""

FROM_LOOPBACK = AcceptPolicy(trusted=(ip_network(LOOPBACK),), refuse_others=True)


class Stage:
    """Everything that the demo opens, to be closed again. `say` shows a text to who tries it."""

    def __init__(self, folder: Path, reactor: Any, say: Callable[[str], None]) -> None:
        """Keep the demo's files in `folder`."""
        self._folder = folder
        self._reactor = reactor
        self._say = say
        self._ports: list[IListeningPort] = []
        self._service: ProxyService | None = None

    async def open(self) -> None:
        """Start the servers, then the front, then tell what to try."""
        inbox = Inbox()
        inbox.deliver(account.WELCOME)
        backends = Ports(
            imap=await self._serve("imap", lambda: ImapServer(inbox)),
            pop3=await self._serve("pop3", lambda: Pop3Server(inbox)),
            lmtp=await self._serve("lmtp", lambda: LmtpServer(inbox)),
        )
        fronts = Ports(imap=free_port(PREFERRED.imap), pop3=free_port(PREFERRED.pop3), lmtp=free_port(PREFERRED.lmtp))
        files = certificates.make(self._folder)
        path = configuration.write(self._folder, files, fronts, backends)
        service = ProxyService(load(path), self._reactor)
        service.bind()
        service.startService()
        self._service = service
        self._say(invitation(path, files, fronts))

    async def close(self) -> None:
        """Stop what `open` started, as far as it came."""
        if self._service is not None:
            await self._service.stopService()
        for port in self._ports:
            await maybeDeferred(port.stopListening)

    async def _serve(self, name: str, make: Callable[[], Protocol]) -> int:
        """Listen for the front's connections, and return the port."""
        endpoint = AcceptProxyServerEndpoint(TCP4ServerEndpoint(self._reactor, 0, interface=LOOPBACK), FROM_LOOPBACK)
        port = await endpoint.listen(Introductions(make, lambda header: self._say(learnt(name, header))))
        self._ports.append(port)
        return cast(IPv4Address, port.getHost()).port


def free_port(preferred: int) -> int:
    """A port on loopback that nobody listens on: `preferred`, or any."""
    for port in (preferred, 0):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(sock.getsockname()[1])
    raise OSError(f"no port is free on {LOOPBACK}")
