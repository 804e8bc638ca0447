"""Accepting from a listening socket, with a pause when descriptors run out."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.transport.bound import BACKLOG, Bound
from mailproxy.transport.poller import BYTES, EXCLUSIVE, READ, Poller

EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The errors if the process or the system has no descriptor or memory left for another socket."""

ACCEPTS_PER_TURN = 8
"""
The most clients that one turn accepts, limited also by its number of events: clients that come together are cheaper
together.

Accepting until the queue is empty would cost a single client another system call, which finds none.
"""

TURNS_IN_A_ROW = 4
"""
The turns in which a process accepts before it lets another one be the first; busy processes are passed over anyway.

To go to the end of the queue takes two system calls: with each turn they are 2 % of a connection without TLS.
"""

# The pause before the next try, in which clients wait in the kernel's queue.
EXHAUSTED_PAUSE_SECONDS = 0.5

Accepted = Callable[[socket.SocketType, Any, "Listener"], None]
"""Called with a non-blocking socket, the client's address as ``accept`` returned it, and the listener."""


class Listener:
    """
    Accepts from a bound socket, from `start` to `stop`; the socket stays open.

    It does not accept while any reason has paused it: clients wait in the kernel's queue, and connected sessions
    continue.

    Where other processes accept from the socket as well, a client wakes one of them alone: to wake all costs as much as
    a third of a connection without TLS. The kernel wakes the first one in its queue that waits for events, so each goes
    to the end of that queue after `TURNS_IN_A_ROW` turns.
    """

    _log = Logger()

    def __init__(
        self, bound: Bound, accepted: Accepted, accept: Callable[[], tuple[int, object]] | None = None
    ) -> None:
        """Call `accepted` with each result of `accept`, by default the bound socket's method."""
        self.bound = bound
        self.socket = bound.socket
        self.is_unix = bound.is_unix
        self.local = bound.local
        """Our address of every connection; None if a wildcard address leaves it to each connection."""
        self._family = int(bound.socket.family)
        self._accepted = accepted
        # As socket.accept(), but without the Python class around the socket, which costs as much as the call.
        self._accept_descriptor = accept or bound.socket._accept  # type: ignore[attr-defined]  # noqa: SLF001
        self._is_shared = bound.is_shared
        self._turns = 0
        self._events = BYTES | EXCLUSIVE if bound.is_shared else READ
        self._reasons: set[str] = {"not started"}
        self._poller: Poller | None = None
        self._clock: IReactorTime | None = None
        self._pause: IDelayedCall | None = None

    def start(self, poller: Poller, clock: IReactorTime) -> None:
        """Begin to accept, on a poller."""
        self._poller = poller
        self._clock = clock
        self.resume("not started")

    def pause(self, reason: str) -> None:
        """Stop accepting until this reason, too, is removed."""
        if not self._reasons:
            assert self._poller is not None
            self._poller.remove(self.socket.fileno())
            self._poller.pause(self.socket.fileno())
        self._reasons.add(reason)

    def resume(self, reason: str) -> None:
        """Remove a reason."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                assert self._poller is not None
                self._poller.add(self.socket.fileno(), self._on_event, self._events)

    def stop(self) -> None:
        """Stop accepting for good."""
        self.pause("stopped")
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _on_event(self, events: int) -> None:
        assert self._poller is not None
        for _ in range(min(self._poller.batch, ACCEPTS_PER_TURN)):
            if not self._accept():
                break
            if self._reasons:
                return
        if self._is_shared:
            self._turns += 1
            if self._turns % TURNS_IN_A_ROW == 0:
                self.wait_again()

    def wait_again(self) -> None:
        """
        Wait again, at the end of the kernel's queue of processes, or accept if a client waits.

        If the process that a client has woken is stopped, no other one accepts that client: call this now and then.
        """
        if self._is_shared and not self._reasons:
            assert self._poller is not None
            self._poller.pause(self.socket.fileno())
            self._poller.resume(self.socket.fileno(), self._events)

    def take_waiting(self) -> None:
        """Accept the clients in the kernel's queue before it is closed."""
        for _ in range(BACKLOG):
            if self._reasons or not self._accept():
                return

    def _accept(self) -> bool:
        """Accept a client; False if there is none."""
        try:
            descriptor, address = self._accept_descriptor()
        except OSError as error:
            if error.errno in EXHAUSTED:
                self._log.warn(
                    "accepting pauses for {seconds} s: {error}", seconds=EXHAUSTED_PAUSE_SECONDS, error=error.strerror
                )
                self._pause_for_a_while()
            return False  # any other error is the client's: it has closed before the accept
        sock = socket.SocketType(self._family, socket.SOCK_STREAM, 0, descriptor)
        sock.setblocking(False)
        self._accepted(sock, address, self)
        return True

    def broke(self) -> None:
        """Continue after a bug of ours with one client, after a pause."""
        self._pause_for_a_while()

    def _pause_for_a_while(self) -> None:
        assert self._clock is not None
        self.pause("for a while")
        if self._pause is None:
            self._pause = self._clock.callLater(EXHAUSTED_PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self.resume("for a while")
