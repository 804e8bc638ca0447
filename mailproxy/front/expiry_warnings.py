"""Warnings in the log about certificates in use that expire, and OCSP responses that are out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.front.process_state import ProcessState
from mailproxy.front.slices import Slices
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.expiry import ExpiryNotices, Notice, StaleStaples
from mailproxy.tls.renewed import shown_names
from mailproxy.tls.steps import finish

# Warnings before a certificate expires are due by the day.
EXPIRY_SECONDS = 3600.0


class ExpiryWarnings:
    """Warns about the certificates in use, from `start` to `stop` (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, process_state: ProcessState, clock: IReactorTime, slices: Slices, now: Callable[[], datetime]
    ) -> None:
        """`now` is the wall clock."""
        self._process_state = process_state
        self._clock = clock
        self._slices = slices
        self._now = now
        self._notices = ExpiryNotices()
        self._stale = StaleStaples()
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin; expired certificates are already in the warnings of the start."""
        now = self._now()
        self._warn(notice for notice in finish(self._notices.due(self._all(), now)) if notice.days >= 0)
        self._call = self._clock.callLater(EXPIRY_SECONDS, self._on_time)

    def stop(self) -> None:
        """Warn no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def warn(self) -> None:
        """Warn about certificates that expire soon, in slices: thousands take tens of milliseconds."""
        due = self._slices.run(lambda: self._notices.due(self._all(), self._now()))
        due.addCallback(self._warn).addErrback(self._broke)

    def _on_time(self) -> None:
        self._call = self._clock.callLater(EXPIRY_SECONDS, self._on_time)
        self.warn()
        for line in self._stale.due(self._all(), self._now()):
            self._log.warn("certificate {problem}", event="staple-expired", problem=line)

    def _all(self) -> list[Certificate]:
        return [one for served in self._process_state.certificates.in_use.values() for one in served]

    def _warn(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            self._log.warn(
                "certificate {notice}",
                event="certificate-expires",
                notice=str(notice),
                path=notice.certificate.path,
                names=shown_names(notice.certificate),
                days=notice.days,
            )

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the check of certificates", failure)
