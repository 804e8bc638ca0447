"""
Changes of the files that list networks, while the front runs.

A thread checks them every ``watch`` seconds, and reads those that have changed: a list of 100,000 networks takes a
third of a second. A file that cannot be used leaves its list as it was, and one that cannot be read is tried again at
each check. So is one that changes while it is read; and an empty one has to be the same in two checks, because a writer
may have cut it off to write it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy.front.background_thread import BackgroundThread
from mailproxy.networks.breadth import list_breadth
from mailproxy.networks.list_file import State, UnusableList, read_list, state_of
from mailproxy.networks.network_list import NetworkLists, ReadList
from mailproxy.networks.network_set import EMPTY, NetworkSet
from mailproxy.tls.source import SETTLING_SECONDS

# The shortest interval of `watch`.
MIN_WATCH_SECONDS = 1.0


@frozen
class _Unusable:
    """A file that cannot be used, and its state at that time."""

    problem: str
    state: State
    may_pass: bool


class ListWatch:
    """Checks the files of a process's lists, and puts changed ones to use (mutable)."""

    _log = Logger(namespace="mailproxy")

    def __init__(
        self, lists: NetworkLists, clock: Any, background: BackgroundThread, *, now: Callable[[], float] = time.time
    ) -> None:
        """`clock`, a reactor, times the checks; a thread of `background` reads files; `now` is the wall clock."""
        self._lists = lists
        self._clock = clock
        self._background = background
        self._now = now
        self._watch: LoopingCall | None = None
        self._refused: dict[str, _Unusable] = {}
        """The files that could not be used at the last check: each problem is logged once."""
        self._banned: Collection[str] = ()
        self._exempt = EMPTY
        self._emptied: dict[str, State] = {}
        """The states in which files have no networks any more, as the last check has found them."""
        self.announce: Callable[[ReadList], object] = _do_nothing
        """Called with each changed list, for other processes."""

    def follow(
        self, paths: Iterable[str], seconds: float, banned: Collection[str] = (), exempt: NetworkSet = EMPTY
    ) -> None:
        """
        Check these files every `seconds`, instead of earlier ones; at 0 never.

        The networks in `banned` are bans, of which clients in `exempt` have none.
        """
        self.stop()
        self._banned, self._exempt = banned, exempt
        watched = tuple(dict.fromkeys(paths))
        if watched and seconds:
            self._watch = LoopingCall(self._check_files, watched)
            self._watch.clock = self._clock
            self._watch.start(max(seconds, MIN_WATCH_SECONDS), now=False)

    def stop(self) -> None:
        """Stop the checks."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None

    def _check_files(self, paths: tuple[str, ...]) -> Deferred[None]:
        # A refused file is read if it is the previous one again, or if only its permissions have changed.
        known = {path: kept.state for path, kept in self._lists.known.items() if path not in self._lists.refused}
        refused = {path: found.state for path, found in self._refused.items() if not found.may_pass}
        work = partial(_read_changed, paths, known | refused, self._now(), self._banned)
        return self._background.do(work).addCallback(self._take, self._watch).addErrback(self._broke)

    def _take(self, found: Mapping[str, ReadList | _Unusable], watch: LoopingCall | None) -> None:
        if self._watch is not watch:
            return  # a reload has read the files meanwhile
        for path, read in found.items():
            if isinstance(read, _Unusable):
                self._lists.refuse(path, read.problem)
                if read != self._refused.get(path):
                    self._refused[path] = read
                    self._log.warn(
                        "{problem}; the previous list stays in use",
                        event="list-refused",
                        path=path,
                        problem=read.problem,
                    )
                continue
            self._refused.pop(path, None)
            if self._lists.at(path).networks and not read.networks and self._emptied.get(path) != read.state:
                self._emptied[path] = read.state
                continue
            self._emptied.pop(path, None)
            self._lists.take(read)
            self._log.info(
                "{path} has changed: {log_networks}",
                event="list",
                path=path,
                networks=read.networks.size,
                log_networks="1 network" if read.networks.size == 1 else f"{read.networks.size} networks",
            )
            if path in self._banned and (problem := list_breadth(read.networks, self._exempt)):
                self._log.warn("{subject} {problem}", event="bans-broad", subject=f"list {path}", problem=problem)
            self.announce(read)

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the check of lists of networks", failure)


def _read_changed(
    paths: Iterable[str], known: Mapping[str, State], now: float, banned: Collection[str]
) -> dict[str, ReadList | _Unusable]:
    """Read the files whose state is not the known one, unless they have just changed, by the wall clock."""
    found: dict[str, ReadList | _Unusable] = {}
    for path in paths:
        state = state_of(path)
        # A writer may not have finished. A time in the future tells nothing: of a clock that is ahead, or of `touch`.
        if state == known.get(path) or (len(state) > 1 and abs(now - state[3] / 1e9) < SETTLING_SECONDS):
            continue
        try:
            read: ReadList | _Unusable = ReadList(path, read_list(path, bans=path in banned), state, path in banned)
        except UnusableList as error:
            read = _Unusable(str(error), state, may_pass=error.may_pass)
        if state_of(path) == state:
            found[path] = read
    return found


def _do_nothing(read: ReadList) -> None:
    """Do nothing: there are no other processes."""
