"""Who may come to the admin socket, and how many at once."""

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
from mailproxy.control.watch import Publisher, Watch
from mailproxy.transport.bound import Bound
from mailproxy.transport.listener import Listener

MOST_CLIENTS = 32
"""Enough for people and monitoring; beyond it the next one is told so."""

_CREDENTIALS = struct.Struct("3i")
"""Linux's ``struct ucred``: process, user, group."""


class Door(Factory):
    """Accepts clients of the admin socket, lets those in that may come, and ends them all in the end."""

    noisy = False
    _events = Logger(namespace="mailproxy")

    def __init__(
        self,
        running: Running,
        reactor: Any,
        *,
        credentials: Callable[[socket.SocketType], tuple[int, int, int]] | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        """
        `credentials` returns process, user and group of a client; None: what the kernel says.

        `publisher` is where events for watchers come from; None: the log of this process.
        """
        self._running = running
        self._reactor = reactor
        self._credentials = credentials or peer_credentials
        self._watch = Watch(publisher or globalLogPublisher)
        self._answers = Answers(running, self._watch.__len__, lambda: running.others)
        self.clients: set[Client] = set()
        """Those that are connected."""
        self._listener: Listener | None = None
        self._who = ""

    def open(self, bound: Bound | None) -> None:
        """Accept from a socket, instead of the one before; clients that are there stay."""
        if self._listener is not None:
            if bound is not None and self._listener.bound is bound:
                return
            self._listener.stop()
            self._listener = None
        if bound is not None:
            self._listener = Listener(bound, self.accepted)
            self._listener.start(self._running.loop.poller, self._reactor)

    def close(self) -> None:
        """Accept no more, and see all clients off."""
        self.open(None)
        for client in list(self.clients):
            client.end()

    def accepted(self, sock: socket.SocketType, peer: object, listener: Listener) -> None:
        """Let a client in, or say why not."""
        try:
            process, user, _ = self._credentials(sock)
            if user not in (0, os.geteuid()):
                self._events.warn(
                    "ctl: user {user} (process {process}) was refused", event="ctl-refused", user=user, process=process
                )
                _refuse(sock, f"user {user} is not allowed: only root and user {os.geteuid()} are")
            elif len(self.clients) >= MOST_CLIENTS:
                _refuse(sock, f"{MOST_CLIENTS} clients are connected already, and no more are taken")
            else:
                self._who = f"by user {user}, process {process}"
                self._reactor.adoptStreamConnection(sock.fileno(), socket.AF_UNIX, self)
        except OSError:
            pass  # it has gone again
        finally:
            sock.close()  # the reactor has a descriptor of its own for it

    def buildProtocol(self, addr: IAddress | None) -> Client:
        """Make what speaks with the client that is being let in."""
        return Client(self._answers, self._watch, self._who, self._reactor, self.clients)


def peer_credentials(sock: socket.SocketType) -> tuple[int, int, int]:
    """Return process, user and group of who connected to a UNIX socket, as the kernel saw them then (unix(7))."""
    packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return cast(tuple[int, int, int], _CREDENTIALS.unpack(packed))


def _refuse(sock: socket.SocketType, words: str) -> None:
    with suppress(OSError):
        sock.send(encode("error", {"error": words}))
