"""Accepts clients of the admin socket, with checks of their user and number."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger, globalLogPublisher

from mailproxy.control.answers import Answers
from mailproxy.control.client import Client
from mailproxy.control.message import encode
from mailproxy.control.running import Running
from mailproxy.control.watch import LivePublisher, Watch
from mailproxy.transport.bound import Bound
from mailproxy.transport.listener import Listener

MAX_CLIENTS = 32
"""Enough for people and monitoring; further clients are refused."""

_CREDENTIALS = struct.Struct("3i")
"""Linux's ``struct ucred``: process, user, group."""


class AdminSocket(Factory):
    """Accepts clients of the admin socket, refuses those of other users, and closes all when the service ends."""

    noisy = False
    _events = Logger(namespace="mailproxy")

    def __init__(
        self,
        running: Running,
        reactor: Any,
        *,
        credentials: Callable[[socket.SocketType], tuple[int, int, int]] | None = None,
        publisher: LivePublisher | None = None,
    ) -> None:
        """
        `credentials` returns process, user and group of a client; with None, the kernel is asked (SO_PEERCRED).

        `publisher` sends the events for watchers; with None, this is the log of this process.
        """
        self._running = running
        self._reactor = reactor
        self._credentials = credentials or peer_credentials
        self.watch = Watch(globalLogPublisher) if publisher is None else Watch(publisher, publisher.want_sessions)
        """The clients that watch events, those of HTTP as well."""
        self.answers = Answers(running, self.watch.__len__, lambda: running.others)
        """Carries out commands."""
        self.clients: set[Client] = set()
        """The clients that are connected."""
        self._listener: Listener | None = None
        self._who = ""

    def open(self, bound: Bound | None) -> None:
        """Accept from this socket instead of the one before; connected clients stay."""
        if self._listener is not None:
            if bound is not None and self._listener.bound is bound:
                return
            self._listener.stop()
            self._listener = None
        if bound is not None:
            self._listener = Listener(bound, self.accepted)
            self._listener.start(self._running.loop.poller, self._reactor)

    def close(self) -> None:
        """Stop accepting, and close all connections."""
        self.open(None)
        for client in list(self.clients):
            client.end()

    def accepted(self, sock: socket.SocketType, peer: object, listener: Listener) -> None:
        """Take a client, or refuse it and send the reason."""
        try:
            process, user, _ = self._credentials(sock)
            if user not in (0, os.geteuid()):
                self._events.warn(
                    "ctl: user {user} (process {process}) was refused", event="ctl-refused", user=user, process=process
                )
                _refuse(sock, f"user {user} is not allowed: only root and user {os.geteuid()} are")
            elif len(self.clients) >= MAX_CLIENTS:
                _refuse(sock, f"{MAX_CLIENTS} clients are connected, which is the limit")
            else:
                self._who = f"by user {user}, process {process}"
                self._reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, self)
        except OSError:
            pass  # the client has disconnected
        finally:
            sock.close()  # the reactor has duplicated the descriptor

    def buildProtocol(self, addr: IAddress | None) -> Client:
        """Make the protocol of the client that was just accepted."""
        return Client(self.answers, self.watch, self._who, self._reactor, self.clients)


def peer_credentials(sock: socket.SocketType) -> tuple[int, int, int]:
    """Return process, user and group of the client of a UNIX socket at the time of its connect (unix(7))."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return cast(tuple[int, int, int], _CREDENTIALS.unpack(packed))


def _refuse(sock: socket.SocketType, words: str) -> None:
    with suppress(OSError):
        sock.send(encode("error", {"error": words}))
