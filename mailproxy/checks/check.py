"""What a check is, and the checks that use one connection to the server: all but those over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from mailproxy.checks.connection import ConnectionEnd, Probe, ProbeConnection
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.timeouts import Timeouts
from mailproxy.transport.outgoing import HeaderSource, Target
from mailproxy.transport.poller import Poller


class Run(Protocol):
    """A check that is running."""

    def cancel(self) -> None:
        """End the check without an outcome."""


class _Beginning:
    """Stands for a run that may be over before `Check.begin` returns it."""

    def cancel(self) -> None:
        """Nothing: `Check.begin` has not returned."""


BEGINNING: Run = _Beginning()
"""The run of a check while `Check.begin` has not returned."""


class Check(Protocol):
    """A way to check a server: made once, run any number of times."""

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """
        Check the server at `target`, and call `over` once with the outcome, within the check's deadline.

        The call may come before this method returns.
        """


class CheckProbe(Probe, Protocol):
    """A probe that judges the server."""

    def outcome(self, end: ConnectionEnd) -> Outcome:
        """Judge the server, once it was reached and the connection has ended."""


class ConnectionCheck:
    """A check that sends a new probe over a new connection each time, for `seconds` at most."""

    def __init__(
        self,
        make_probe: Callable[[], CheckProbe],
        header: HeaderSource,
        seconds: float,
        *,
        poller: Poller,
        timeouts: Timeouts,
        opening: bytes = b"",
    ) -> None:
        """Send `header` and then `opening`, the first words to a server that waits for them, on each connection."""
        self._make_probe = make_probe
        self._header = header
        self._seconds = seconds
        self._poller = poller
        self._timeouts = timeouts
        self._opening = opening

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """Connect to the server and send it a probe."""
        probe = self._make_probe()

        def ended(end: ConnectionEnd) -> None:
            over(probe.outcome(end) if end.stage == "answer" else _unreached(end))

        connection = ProbeConnection(
            target,
            self._header,
            probe,
            self._seconds,
            ended,
            poller=self._poller,
            timeouts=self._timeouts,
            opening=self._opening,
        )
        connection.begin()
        return connection


def _unreached(end: ConnectionEnd) -> Outcome:
    # A failure of TLS and a deadline name their stage already.
    reason = f"connection: {end.failure}" if end.stage == "connection" and not end.is_late else end.failure
    return Outcome(False, reason, end.seconds)
