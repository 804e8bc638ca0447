"""Accepts HTTP clients of administrators, with checks of their network and number."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory

from mailproxy.config import Admin
from mailproxy.config.place import Network
from mailproxy.control.answers import Answers
from mailproxy.control.running import Running
from mailproxy.control.watch import Watch
from mailproxy.front.files import Http
from mailproxy.transport.bound import Bound
from mailproxy.transport.listener import Listener
from mailproxy.web.access import Access, own_names
from mailproxy.web.channel import Channel
from mailproxy.web.request import Request
from mailproxy.web.site import Site
from mailproxy.web.tls import TlsConnections

MAX_CLIENTS = 64
"""Enough for monitoring, and for some people with several tabs."""

SPARE_CLIENTS = 16
"""Further clients while those are answered; only their health checks are answered, or one client could stop them."""

_MOMENT_SECONDS = 1.0
"""A client that has been without a request for less may be about to send one."""

_REFUSED_SECONDS = 10.0
"""The least time between two log lines about refused clients."""


class HttpServer(Factory):
    """The clients of administrators' HTTP, from one reading of the configuration to the next."""

    noisy = False
    _log = Logger(namespace="mailproxy")

    def __init__(self, running: Running, reactor: Any, answers: Answers, watch: Watch) -> None:
        self._running = running
        self._reactor = reactor
        self.site = Site(running, reactor, answers, watch)
        """Answers the requests."""
        self.clients: set[Channel] = set()
        """The clients that are connected."""
        self._listener: Listener | None = None
        self._allowed: Sequence[Network] = ()
        self._factory: Any = self
        self._is_full = False
        """True if the client that was just accepted is beyond `MAX_CLIENTS`."""
        self._logged_at = -_REFUSED_SECONDS
        self._refused = 0

    def open(self, bound: Bound, admin: Admin, http: Http) -> None:
        """Accept from this socket, with these settings, instead of the one before; connected clients stay."""
        self._allowed = admin.http_allow
        self._factory = self
        if http.tls is not None:
            self._factory = TLSMemoryBIOFactory(TlsConnections(http.tls), False, self, clock=self._reactor)
            self._factory.noisy = False
        needs_token = admin.http_token_for == "all"
        self.site.access = Access(own_names(admin, http.names), http.token, needs_token)
        if self._listener is None:
            self.site.start()
        if self._listener is None or self._listener.bound is not bound:
            self.stop_accepting()
            self._listener = Listener(bound, self.accepted)
            self._listener.start(self._running.loop.poller, self._reactor)

    def stop_accepting(self) -> None:
        """Accept no further clients; connected ones stay."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def close(self) -> None:
        """Stop accepting, and close all connections."""
        self.stop_accepting()
        for client in list(self.clients):
            client.loseConnection()
        self.site.stop()

    def accepted(self, sock: socket.SocketType, peer: Any, listener: Listener) -> None:
        """Take a client, or close its connection."""
        try:
            if not listener.is_unix and not self._is_allowed(peer[0]):
                self._refuse(peer[0])
            elif self._has_room():
                self._is_full = len(self.clients) >= MAX_CLIENTS
                self._reactor.adoptStreamConnection(sock.fileno(), sock.family, self._factory)
            else:
                self._refuse_for_now(sock)
        except OSError:
            pass  # the client has disconnected
        finally:
            sock.close()  # the reactor has duplicated the descriptor

    def _is_allowed(self, host: str) -> bool:
        address = ip_address(host)
        return any(address.version == network.version and address in network for network in self._allowed)

    def _refuse(self, host: str) -> None:
        """Log a client that is not in the networks, if there was no line a moment ago."""
        self._refused += 1
        now = self._reactor.seconds()
        if now - self._logged_at >= _REFUSED_SECONDS:
            self._log.warn(
                "HTTP: {refused} clients were refused, the last one from {host}, which http-allow does not have",
                event="http-refused",
                refused=self._refused,
                host=host,
            )
            self._logged_at, self._refused = now, 0

    def _has_room(self) -> bool:
        """Return whether another client can be taken, perhaps instead of one that waits."""
        return (
            len(self.clients) < MAX_CLIENTS
            or self._make_room(_MOMENT_SECONDS)
            or len(self.clients) < MAX_CLIENTS + SPARE_CLIENTS
            or self._make_room(0.0)
        )

    def _make_room(self, seconds: float) -> bool:
        """Close the client that has been without a request for longest, and for some seconds; return False if none."""
        waiting = min((one for one in self.clients if not one.is_answering), key=lambda one: one.since, default=None)
        if waiting is None or self._reactor.seconds() - waiting.since < seconds:
            return False
        waiting.transport.abortConnection()
        self.clients.discard(waiting)
        return True

    def _refuse_for_now(self, sock: socket.SocketType) -> None:
        if self._factory is self:
            sock.send(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\n\r\n")

    # Of the channels.

    def buildProtocol(self, addr: IAddress | None) -> Channel:
        """Make the protocol of the client that was just accepted."""
        channel = Channel(self.clients, self._reactor)
        channel.is_spare = self._is_full
        channel.factory = self
        channel.site = self.site
        channel.requestFactory = Request
        channel.callLater = self._reactor.callLater
        return channel

    def log(self, request: Request) -> None:
        """Log nothing: the log has the changes, with the client."""
