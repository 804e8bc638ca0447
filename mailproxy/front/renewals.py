"""
Renewals of certificates while the front runs.

Their files are checked every ``watch`` seconds; new certificates are served from the next handshake on, and nothing
else changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy import config
from mailproxy.front.expiry_warnings import ExpiryWarnings
from mailproxy.front.process_state import ProcessState
from mailproxy.front.slices import Slices
from mailproxy.tls.complaint import Complaint
from mailproxy.tls.renewed import Change, changes, shown_names
from mailproxy.tls.source import SETTLING_SECONDS
from mailproxy.tls.steps import Steps
from mailproxy.tls.store import Certificates

# The shortest interval of `watch`.
MIN_WATCH_SECONDS = 1.0

# Files that have just changed are checked again after this time, when their writer has finished.
UNSETTLED_SECONDS = SETTLING_SECONDS + 0.5


@frozen
class Renewed:
    """The result of a check of the files."""

    changes: tuple[Change, ...]
    complaints: tuple[Complaint, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Renewals:
    """Checks the files of the certificates in use, and replaces those that have changed (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        process_state: ProcessState,
        clock: Any,
        *,
        is_quiet: bool = False,
        now: Callable[[], datetime] = _now,
        timer: Callable[[], float] = perf_counter,
    ) -> None:
        """
        `clock`, a reactor, times the checks, `now` is the wall clock, and `timer` measures slices.

        With `is_quiet`, this process logs nothing, because another one does.
        """
        self._is_quiet = is_quiet
        self._process_state = process_state
        self._clock = clock
        self._slices = Slices(clock, timer)
        self._expiry = ExpiryWarnings(process_state, clock, self._slices, now)
        self._profiles: Mapping[str, config.TlsProfile] = {}
        self._watches: list[LoopingCall] = []
        self._again: IDelayedCall | None = None
        self.renewed = 0
        """How often certificates have been renewed."""
        self.announce: Callable[[Certificates], object] = _do_nothing
        """Called with the profiles whose certificates have changed, for other processes."""

    def start(self, settings: config.Config) -> None:
        """Begin the checks."""
        self._expiry.start()
        self._follow(settings)

    def follow(self, settings: config.Config, renewed: int) -> None:
        """
        Continue with the settings of a new generation, whose certificates are already in use.

        `renewed` is what `renewed` was when the reading began: a renewal since then is found again, by one more look.
        """
        self._expiry.warn()
        self._follow(settings)
        if renewed != self.renewed:
            self._watch(tuple(settings.tls))

    def _follow(self, settings: config.Config) -> None:
        self._profiles = settings.tls
        for watch in self._watches:
            watch.stop()
        rhythms: dict[float, list[str]] = {}
        for name, profile in settings.tls.items():
            rhythms.setdefault(settings.watch if profile.watch is None else profile.watch, []).append(name)
        self._watches = []
        for seconds, names in rhythms.items():
            if seconds:
                watch = LoopingCall(self._watch, names)
                watch.clock = self._clock
                watch.start(max(seconds, MIN_WATCH_SECONDS), now=False)
                self._watches.append(watch)

    def stop(self) -> None:
        """Stop the checks."""
        for watch in self._watches:
            watch.stop()
        self._watches = []
        self._expiry.stop()
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._profiles = {}

    def take(self, certificates: Certificates) -> Deferred[Renewed]:
        """Serve certificates that another process has read and checked; the Deferred has the changes."""
        return self._slices.run(lambda: self._taking(certificates, ()))

    def check(self, names: Collection[str] | None = None, *, is_asked: bool = True) -> Deferred[Renewed]:
        """
        Check the files of some profiles, or of all, and serve new certificates; the Deferred has the changes.

        A problem is logged once, and again in a check that was requested (`is_asked`).
        """
        return self._slices.run(lambda: self._looking(names, is_asked=is_asked))

    def _looking(self, names: Collection[str] | None, *, is_asked: bool) -> Steps[Renewed]:
        profiles = self._profiles
        wanted = {name: one.certificates for name, one in profiles.items() if names is None or name in names}
        objection = self._process_state.tls.objection
        reading = yield from self._process_state.certificates.reading(wanted, is_asked=is_asked, objection=objection)
        if profiles is not self._profiles:
            # A reload has changed the configuration meanwhile, and has read its certificates.
            return Renewed((), ())
        for complaint in reading.complaints:
            self._log.warn(
                f"{'OCSP response' if complaint.is_staple else 'certificate'} refused, {{log_profiles}}: {{problem}}",
                event="staple-refused" if complaint.is_staple else "certificate-refused",
                log_profiles=f"profile{'s' if len(complaint.profiles) > 1 else ''} {', '.join(complaint.profiles)}",
                problem=str(complaint),
                path=complaint.problem.path,
                profiles=", ".join(complaint.profiles),
            )
        self._process_state.certificates.remember(reading.complaints)
        if not reading.is_settled and (self._again is None or not self._again.active()):
            self._again = self._clock.callLater(UNSETTLED_SECONDS, self._watch, tuple(wanted))
        return (yield from self._taking(reading.certificates, reading.complaints))

    def _taking(self, certificates: Certificates, complaints: tuple[Complaint, ...]) -> Steps[Renewed]:
        store, tls = self._process_state.certificates, self._process_state.tls
        found: list[Change] = []
        ready: dict[str, Callable[[], None]] = {}
        for name, served in certificates.items():
            before = store.in_use.get(name, ())
            new = yield from changes(name, before, served)
            if new or before != served:
                found.extend(new)
                ready[name] = yield from tls.renewing(name, served)
        if tls is not self._process_state.tls:
            # A reload has put other certificates into use meanwhile.
            return Renewed((), complaints)
        if ready:
            for renew in ready.values():
                renew()
            adopted = {name: certificates[name] for name in ready}
            store.adopt(adopted)
            self.renewed += 1
            self._log_changes(found)
            self.announce(adopted)
        return Renewed(tuple(found), complaints)

    def _watch(self, names: Collection[str]) -> None:
        self.check(names, is_asked=False).addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the check of certificates", failure)

    def _log_changes(self, found: Collection[Change]) -> None:
        if self._is_quiet:
            return
        for change in found:
            certificate = change.certificate
            self._log.info(
                "certificate {change}",
                event="certificate",
                change=str(change),
                news=change.news,
                profile=change.profile,
                path=certificate.path,
                names=shown_names(certificate),
                until=certificate.not_after.isoformat(),
            )
        if found:
            self._expiry.warn()


def _do_nothing(certificates: Certificates) -> None:
    """Do nothing: there are no other processes."""
