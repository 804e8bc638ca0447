"""
Changes of client authorities and revocation lists while the front runs.

Their files are checked every ``watch`` seconds, as those of certificates. Changed files are read in a thread: a list
of 100,000 certificates takes 0.2 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy import config
from mailproxy.front.background_thread import BackgroundThread
from mailproxy.front.process_state import ProcessState
from mailproxy.tls.source import SETTLING_SECONDS
from mailproxy.tls.trust import ClientTrust, TrustProblem, UnusableTrust
from mailproxy.tls.trust_files import State, TrustByProfile, look_at_trust, newest, read_trust, trust_warnings

# The shortest interval of `watch`.
MIN_WATCH_SECONDS = 1.0


class Revocations:
    """Checks the files of authorities and revocation lists, and verifies clients with new ones (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        process_state: ProcessState,
        clock: Any,
        background: BackgroundThread,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`clock`, a reactor, times the checks; a thread of `background` reads files; `now` is the wall clock."""
        self._process_state = process_state
        self._clock = clock
        self._background = background
        self._now = now
        self._watches: list[LoopingCall] = []
        self._settings: config.Config | None = None
        self._states: dict[str, State] = {}
        """The state of each profile's files when they were read."""
        self._trusts: dict[str, ClientTrust] = {}
        self._logged: set[str] = set()
        """The warnings that are already in the log."""
        self.announce: Callable[[str, ClientTrust], object] = _do_nothing
        """Called with a profile's name, and the trust that verifies its clients from now on."""

    @property
    def trusts(self) -> TrustByProfile:
        """The trust that verifies the clients of each profile."""
        return self._trusts

    def follow(self, settings: config.Config, trusts: TrustByProfile) -> None:
        """Check the files of a configuration that was just read, instead of those of the previous one."""
        self.stop()
        self._settings, self._trusts = settings, dict(trusts)
        # They were logged with the configuration.
        self._logged = set(trust_warnings(trusts, self._time()))
        rhythms: dict[float, list[config.TlsProfile]] = {}
        for name, profile in settings.tls.items():
            if profile.client_certificates != "none":
                # They may have changed since they were read with the configuration: the first check reads them again.
                self._states[name] = ()
                rhythms.setdefault(settings.watch if profile.watch is None else profile.watch, []).append(profile)
        for seconds, profiles in rhythms.items():
            if seconds:
                watch = LoopingCall(self._look_at, settings, profiles)
                watch.clock = self._clock
                watch.start(max(seconds, MIN_WATCH_SECONDS), now=False)
                self._watches.append(watch)

    def stop(self) -> None:
        """Stop the checks."""
        for watch in self._watches:
            watch.stop()
        self._watches = []
        self._settings = None
        self._states = {}

    async def _look_at_all(self, settings: config.Config, profiles: list[config.TlsProfile]) -> None:
        for profile in profiles:
            state = look_at_trust(profile)
            # A reload may have changed the configuration meanwhile.
            if self._settings is not settings:
                return
            # A writer may not have finished.
            if state != self._states[profile.name] and abs(self._now() - newest(state)) > SETTLING_SECONDS:
                self._states[profile.name] = state
                await self._read(settings, profile)
        self._warn()

    def _look_at(self, settings: config.Config, profiles: list[config.TlsProfile]) -> Deferred[None]:
        return Deferred.fromCoroutine(self._look_at_all(settings, profiles)).addErrback(self._broke)

    async def _read(self, settings: config.Config, profile: config.TlsProfile) -> None:
        trust = await self._background.do(partial(_read, profile))
        if not isinstance(trust, ClientTrust):
            for problem in trust:
                self._log.warn(
                    "tls {profile}: {key}: {problem}; the previous file stays in use",
                    event="trust-refused",
                    profile=profile.name,
                    key=problem.key,
                    problem=problem.message,
                )
            return
        if self._settings is not settings:
            return
        self._trusts[profile.name] = trust
        if self._process_state.tls.verify_with(profile.name, trust):
            self._log.info(
                "tls {profile}: new files verify clients: {log_authorities}, {revoked} revoked",
                event="trust",
                profile=profile.name,
                log_authorities=_counted(len(trust.authorities)),
                authorities=len(trust.authorities),
                revoked=sum(len(one.crl) for one in trust.lists),
            )
            self.announce(profile.name, trust)

    def _warn(self) -> None:
        """Log, once, each problem that makes clients refused, such as an expired list."""
        for line in trust_warnings(self._trusts, self._time()):
            if line not in self._logged:
                self._logged.add(line)
                self._log.warn("{warning}", event="warning", warning=line)

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the check of client authorities and revocation lists", failure)


def _do_nothing(profile: str, trust: ClientTrust) -> None:
    """Do nothing: there are no other processes."""


def _read(profile: config.TlsProfile) -> ClientTrust | tuple[TrustProblem, ...]:
    """Return the problems as values: an exception that goes from a thread to a coroutine leaves a cycle."""
    try:
        trust = read_trust(profile)
    except UnusableTrust as error:
        return error.problems
    assert trust is not None, "a profile that asks for certificates names authorities"
    trust.store  # noqa: B018  # made here, as it takes long
    return trust


def _counted(authorities: int) -> str:
    return "1 authority" if authorities == 1 else f"{authorities} authorities"
