"""
When bans are written to their file: soon after a change, and not too often.

A file of 100,000 bans takes a third of a second. It is written in a thread, and the pause after it is 20 times as long
as the writing, so it never takes more than a twentieth of a processor. CrowdSec has its decisions itself and sends them
again after a start, so they alone are written seldom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.bans.ban import Ban, Origin
from mailproxy.bans.bans import Bans
from mailproxy.bans.file import Moment, UnusableBans, keep_broken, read_bans, write_bans
from mailproxy.networks.width import is_too_wide, width_problem

DELAY_SECONDS = 1.0
CROWDSEC_DELAY_SECONDS = 300.0
RETRY_SECONDS = 60.0

_PAUSE = 20.0

# A difference between the clocks that is no step.
_STEP_SECONDS = 1.0

InThread = Callable[[Callable[[], Any]], Deferred[Any]]
"""Runs work in a thread; the Deferred has its result."""


class Saving:
    """Keeps the file of the bans (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, bans: Bans, clock: IReactorTime, in_thread: InThread, now: Callable[[], Moment]) -> None:
        """`now` returns the moment by both clocks."""
        self._bans = bans
        self._clock = clock
        self._in_thread = in_thread
        self._now = now
        self.path: str | None = None
        self._call: IDelayedCall | None = None
        self._is_writing = False
        self._is_due = False
        """True if something has changed that is in no file, and that no write has taken."""
        self._pause_ends = 0.0
        self._offset: float | None = None
        """The wall clock less the monotonic clock, when the file was written."""
        self._has_failed = False
        self._turn = threading.Lock()
        self._taken = 0
        """The number of writes that have begun; a later one has later bans."""
        self._written_last = 0

    def open(self, path: str | None) -> tuple[Ban, ...]:
        """Use this file from now on; return the bans in it. One that cannot be used is renamed."""
        self.path = path
        self._pause_ends = 0.0
        now = self._now()
        self._offset = now.wall - now.monotonic
        if path is None:
            self._stop()
            return ()
        try:
            return self._without_too_wide(read_bans(path, now))
        except UnusableBans as error:
            problem = str(error)
        try:
            where = f"it is kept as {keep_broken(path)}"
        except OSError as error:
            self.path = None
            where = f"it cannot be renamed ({error.strerror}), and no bans are written"
        self._log.error(
            "bans: {path}: {problem}; {log_where}, and mailproxy continues without its bans",
            event="bans-unusable",
            path=path,
            problem=problem,
            log_where=where,
        )
        return ()

    def _without_too_wide(self, found: Sequence[Ban]) -> tuple[Ban, ...]:
        too_wide = [ban for ban in found if is_too_wide(*ban.key)]
        if not too_wide:
            return tuple(found)
        first = too_wide[0]
        self._log.warn(
            "bans: {path}: the ban of {place} is skipped, {problem}; {count} skipped in all",
            event="bans-skipped",
            path=self.path,
            place=first.place,
            problem=width_problem(len(first.key[0])),
            count=len(too_wide),
        )
        return tuple(ban for ban in found if not is_too_wide(*ban.key))

    def changed(self, origin: Origin | None = None) -> None:
        """Write the file some time after bans of an origin have changed; None: soon."""
        if self.path is None:
            return
        self._is_due = True
        self._write_in(CROWDSEC_DELAY_SECONDS if origin == "crowdsec" else DELAY_SECONDS)

    def look_at_clocks(self) -> None:
        """Write the file again if the wall clock was set: the ends in it are wrong."""
        if self._offset is not None and len(self._bans):
            now = self._now()
            if abs(now.wall - now.monotonic - self._offset) > _STEP_SECONDS:
                self.changed()

    def _write_in(self, seconds: float) -> None:
        if self._is_writing:
            return  # the next one is planned at its end
        at = max(self._clock.seconds() + seconds, self._pause_ends)
        if self._call is None:
            self._call = self._clock.callLater(at - self._clock.seconds(), self._write)
        elif at < self._call.getTime():
            self._call.reset(at - self._clock.seconds())

    def _write(self) -> None:
        self._call = None
        path = self.path
        if path is None:
            return
        self._is_due, self._is_writing = False, True
        now, began = self._now(), self._clock.seconds()
        self._offset = now.wall - now.monotonic
        self._taken += 1
        done = self._in_thread(partial(self._write_in_turn, self._taken, path, list(self._bans), now))
        done.addCallbacks(self._written, self._not_written).addBoth(self._over, began)

    def _write_in_turn(self, number: int, path: str, bans: Iterable[Ban], now: Moment) -> None:
        """Write the file, in any thread, unless that was done with later bans."""
        with self._turn:
            if number > self._written_last:
                write_bans(path, bans, now)
                self._written_last = number

    def _written(self, nothing: None) -> None:
        if self._has_failed:
            self._has_failed = False
            self._log.info("bans: {path} is written again", event="bans-written", path=self.path)

    def _not_written(self, failure: Failure) -> None:
        self._is_due = True
        self._pause_ends = self._clock.seconds() + RETRY_SECONDS
        error = failure.value
        if not isinstance(error, OSError):
            self._log.failure("bug in writing the bans", failure)
        elif not self._has_failed:
            self._has_failed = True
            self._log.error(
                "bans: {path} cannot be written: {reason}; the bans are in effect, and would not survive a restart",
                event="bans-unwritten",
                path=self.path,
                reason=error.strerror,
            )

    def _over(self, nothing: None, began: float) -> None:
        self._is_writing = False
        self._pause_ends = max(self._pause_ends, self._clock.seconds() + _PAUSE * (self._clock.seconds() - began))
        if self._is_due:
            self._write_in(DELAY_SECONDS)

    def flush(self) -> None:
        """Write what is not in the file, at once."""
        if self.path is None or not (self._is_due or self._is_writing):
            return
        self._stop()
        self._is_due = False
        self._taken += 1
        try:
            self._write_in_turn(self._taken, self.path, self._bans, self._now())
        except OSError as error:
            self._log.error(
                "bans: {path} cannot be written: {reason}",
                event="bans-unwritten",
                path=self.path,
                reason=error.strerror,
            )

    def close(self) -> None:
        """Write what is not in the file, and write no more."""
        self.flush()
        self._stop()
        self.path = None

    def _stop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
