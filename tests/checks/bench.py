"""What tests of checks share: a server that the test plays, and a clock that the test turns."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from twisted.internet.task import Clock

from mailproxy.checks.timeouts import Timeouts
from mailproxy.tls.client import ClientTls
from mailproxy.transport.outgoing import Target
from mailproxy.transport.poller import Poller
from tests.tls.servers import server_context
from tests.transport.peers import Peer, TlsServerPeer
from tests.transport.relay import pump, settle


class Bench:
    """
    One listening server, whose connections the test accepts, and the objects that a check needs.

    It speaks TLS, behind a PROXY header, if it is reached with `tls`.
    """

    def __init__(self, tls: ClientTls | None = None) -> None:
        self._tls = tls
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.poller = Poller(self.clock.seconds)
        self.timeouts = Timeouts(self.clock)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.address: tuple[str, int] = self.listening.getsockname()
        self.target = Target(socket.AF_INET, self.address, tls)
        self.peers: list[Peer] = []
        self._ends = ExitStack()

    def at_the_end(self, do: Callable[[], object]) -> None:
        """Do something when the test is over."""
        self._ends.callback(do)

    def accept(self, words: bytes = b"") -> Peer:
        """Take the connection that has to be there, and say something first."""
        self.until(self._take)
        peer = self.peers[-1]
        if words:
            peer.send(words)
        return peer

    def _take(self) -> bool:
        try:
            sock, _ = self.listening.accept()
        except BlockingIOError:
            return False
        self.peers.append(Peer(sock) if self._tls is None else TlsServerPeer(sock, server_context(), has_header=True))
        return True

    def until(self, is_there: Callable[[], object]) -> None:
        """Run all parties until a condition holds."""
        pump(self.poller, self.peers, is_there)

    def advance(self, seconds: float) -> None:
        """Advance the clock, after all parties are idle."""
        settle(self.poller, self.peers)
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)
            self.poller.poll(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ends.close()
        for peer in self.peers:
            peer.socket.close()
        self.listening.close()
        self.poller.close()
