"""Keeps the bans of a service, in its main process: from their file, through CrowdSec and rules, to their ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any, Protocol

from twisted.logger import Logger

from mailproxy import config
from mailproxy.bans.ban import Ban, Key, Origin
from mailproxy.bans.bans import BANS_AT_ONCE, Bans, TooManyBans, clean_reason
from mailproxy.bans.file import Moment
from mailproxy.bans.gate import BanGate
from mailproxy.bans.rule_bans import RuleBans
from mailproxy.bans.saving import InThread, Saving
from mailproxy.bans.sweep import Sweep
from mailproxy.config.bans import CrowdSecSettings


class _Polls(Protocol):
    """A source of bans that is polled."""

    failures: int
    """The requests in a row that had no usable answer."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """Stop."""


class BanKeeper:
    """The bans of a service, from `start` to `stop` (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self,
        gate: BanGate,
        reactor: Any,
        in_thread: InThread,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`gate` is this process's: its table is the one that other processes follow."""
        self.bans = Bans(gate.table)
        self._reactor = reactor
        self._in_thread = in_thread
        self._crowdsec: _Polls | None = None
        self._crowdsec_settings: CrowdSecSettings | None = None
        self._monotonic = monotonic
        self._saving = Saving(self.bans, reactor, in_thread, lambda: Moment(monotonic(), wall()))
        self._sweep = Sweep(self._expire, reactor)
        self.bans.changed = self._saving.changed
        self._of_rules = RuleBans(self.bans, monotonic)
        self.take = gate.ask = self._of_rules.take
        """Carries out a request of a rule, of this process or of one that faces the network."""
        gate.monotonic = monotonic

    def start(self, settings: config.Bans) -> None:
        """Read the file, before clients are accepted, and begin."""
        self._crowdsec_settings = settings.crowdsec
        self._read(settings.file)
        self._sweep.start()
        self._poll_crowdsec()

    def follow(self, settings: config.Bans) -> None:
        """Follow a change of the configuration; the bans of another file are added to those that there are."""
        if settings.crowdsec != self._crowdsec_settings:
            self._stop_crowdsec()
            self._crowdsec_settings = settings.crowdsec
            self._poll_crowdsec()
        if settings.file != self._saving.path:
            self._saving.flush()
            self._read(settings.file)
            self._saving.changed()

    @property
    def crowdsec_failures(self) -> int | None:
        """The requests in a row that CrowdSec has not answered; None if it is not asked."""
        return None if self._crowdsec is None else self._crowdsec.failures

    def _poll_crowdsec(self) -> None:
        settings = self._crowdsec_settings
        if settings is None:
            self._forget_crowdsec()
            return
        # Imported here: most services have no use for an HTTP client.
        from mailproxy.bans.crowdsec import CrowdSec

        self._crowdsec = CrowdSec(settings, self.bans, self._reactor, self._in_thread, self._monotonic)
        self._crowdsec.start()

    def _stop_crowdsec(self) -> None:
        if self._crowdsec is not None:
            self._crowdsec.stop()
            self._crowdsec = None

    def _forget_crowdsec(self) -> None:
        """Remove the decisions of a source that the configuration has no more, some in each turn."""
        if self._crowdsec_settings is None and (found := self.bans.of("crowdsec")):
            self.bans.unban(*found[:BANS_AT_ONCE], origins=("crowdsec",))
            self._reactor.callLater(0, self._forget_crowdsec)

    def _read(self, path: str | None) -> None:
        found = self._saving.open(path)
        if self._crowdsec_settings is None:
            found = tuple(ban for ban in found if ban.origin != "crowdsec")
        changed, self.bans.changed = self.bans.changed, _do_nothing
        try:
            for place in range(0, len(found), BANS_AT_ONCE):
                self.bans.ban(*found[place : place + BANS_AT_ONCE])
        except TooManyBans as error:
            self._log.error("bans: {path}: {problem}", event="bans-unusable", path=path, problem=str(error))
        finally:
            self.bans.changed = changed

    def flush(self) -> None:
        """Write the file now, for another process that takes over."""
        self._saving.flush()

    def leave(self) -> None:
        """Leave the file and CrowdSec to another process; the bans stay in effect."""
        self._stop_crowdsec()
        self._saving.close()

    def stop(self) -> None:
        """Write the file, and end."""
        self._stop_crowdsec()
        self._sweep.stop()
        self._saving.close()

    @property
    def now(self) -> float:
        """The moment by the monotonic clock, as that of bans."""
        return self._monotonic()

    def all(self) -> Iterator[Sequence[Ban]]:
        """Yield the bans in effect, some at a time, for a process that begins."""
        found = list(self.bans.table)
        for place in range(0, len(found), BANS_AT_ONCE):
            yield found[place : place + BANS_AT_ONCE]

    def ban(self, key: Key, origin: Origin, reason: str, seconds: float | None) -> Ban:
        """Ban a network for a time, None: without an end; raise `TooManyBans` if there are too many."""
        now = self._monotonic()
        made = Ban(key, origin, clean_reason(reason), now, inf if seconds is None else now + seconds)
        self.bans.ban(made)
        return made

    def _expire(self, most: int) -> int:
        self._of_rules.log_sum()
        self._saving.look_at_clocks()
        return len(self.bans.expire(self._monotonic(), most))


def _do_nothing(origin: Origin | None) -> None:
    """Do nothing: what was read is in the file."""
