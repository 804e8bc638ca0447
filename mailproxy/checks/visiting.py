"""Checks that are one visit to the server: all but those over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mailproxy.checks.outcome import Outcome
from mailproxy.checks.timeouts import Timeouts
from mailproxy.checks.visit import Talk, Visit, Visited
from mailproxy.transport.outgoing import Header, Target
from mailproxy.transport.poller import Poller


class Run(Protocol):
    """A check under way."""

    def cancel(self) -> None:
        """End it without an outcome."""


class Check(Protocol):
    """A way to check a server: made once, run any number of times."""

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """Run it; `over` hears what came of it, once, perhaps before this returns, and within the check's deadline."""


class Guest(Talk, Protocol):
    """Who goes on a visit to find out how the server is."""

    def outcome(self, visited: Visited) -> Outcome:
        """Tell, after a visit that reached the server."""


class VisitingCheck:
    """A check by visits, each within `seconds`."""

    def __init__(
        self,
        invite: Callable[[], Guest],
        header: Header,
        seconds: float,
        *,
        poller: Poller,
        timeouts: Timeouts,
        opening: bytes = b"",
    ) -> None:
        """Let guests go that `invite` makes, with a PROXY header and, where the server waits for them, first words."""
        self._invite = invite
        self._header = header
        self._seconds = seconds
        self._poller = poller
        self._timeouts = timeouts
        self._opening = opening

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """Send a guest."""
        guest = self._invite()

        def is_back(visited: Visited) -> None:
            over(guest.outcome(visited) if visited.stage == "talk" else _unreached(visited))

        visit = Visit(
            target,
            self._header,
            guest,
            self._seconds,
            is_back,
            poller=self._poller,
            timeouts=self._timeouts,
            opening=self._opening,
        )
        visit.begin()
        return visit


def _unreached(visited: Visited) -> Outcome:
    # What is wrong with TLS speaks for itself.
    reason = (
        f"connection: {visited.failure}" if visited.stage == "connection" and not visited.is_late else visited.failure
    )
    return Outcome(False, reason, visited.seconds)
