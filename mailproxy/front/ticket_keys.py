"""
Daily changes of the keys of session tickets.

A stolen key decrypts the sessions of one day. With workers, the keys of later days are already in memory: they are made
before the first fork (`mailproxy.tls.stock`).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.front.process_state import ProcessState

CHANGE_SECONDS = 86400.0


class TicketKeyChanges:
    """Changes the keys each day, from `start` to `stop`."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, process_state: ProcessState, clock: IReactorTime) -> None:
        self._process_state = process_state
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._has_warned = False
        self.announce: Callable[[], object] = _do_nothing
        """Called after a change, so that other processes change theirs as well."""

    def start(self) -> None:
        """Begin with the first day."""
        self._call = self._clock.callLater(CHANGE_SECONDS, self._change)

    def stop(self) -> None:
        """Stop the changes."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def follow(self) -> None:
        """Warn, once, if no key was left for a profile that a reload has changed."""
        if self._process_state.tls.lacks_keys:
            self._warn()

    def _change(self) -> None:
        self.start()
        if self._process_state.tls.change_keys():
            self.announce()
        else:
            self._warn()

    def _warn(self) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._log.warn(
                "all session ticket keys that were made at the start are used: until a restart, keys do not change "
                "each day, and clients of a TLS profile that changes resume sessions only in the same worker; restart "
                "mailproxy",
                event="ticket-keys",
            )


def _do_nothing() -> None:
    """Do nothing: there are no other processes."""
