"""
Reloads: one at a time, and the last one wins.

A request during a reload gets the result of the next one, which begins when the current one is over, so that it reads
files no older than the request. All requests meanwhile share that next one.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from mailproxy.config.difference import Difference


@frozen
class Reloaded:
    """What a reload changed."""

    differences: tuple[Difference, ...]
    warnings: tuple[str, ...] = ()
    """The warnings about the new configuration, one line each."""


class HalfReloaded(Exception):
    """Some processes keep the configuration that they had before a reload; the text has each with its reason."""


class ReloadRefused(Exception):
    """The reason why a reload is refused, in a sentence."""


class ReloadQueue:
    """The reloads of a process, one after the other (mutable)."""

    def __init__(self, reload: Callable[[], Deferred[Reloaded]]) -> None:
        """`reload` does one."""
        self._reload = reload
        self._asked: list[Deferred[Reloaded]] = []
        """The requests that get the result of the current reload."""
        self._next: list[Deferred[Reloaded]] = []
        self._is_busy = False
        self._why_not = ""

    def ask(self) -> Deferred[Reloaded]:
        """Reload, now or after the current one; the Deferred fails if the reload does."""
        if self._why_not:
            return fail(ReloadRefused(self._why_not))
        asked: Deferred[Reloaded] = Deferred()
        self._next.append(asked)
        if not self._is_busy:
            self._begin()
        return asked

    def close(self, why: str) -> None:
        """Refuse further reloads; waiting requests fail with the reason."""
        self._why_not = why
        waiting = [*self._asked, *self._next]
        self._asked, self._next = [], []
        for asked in waiting:
            asked.errback(ReloadRefused(why))

    def _begin(self) -> None:
        self._asked, self._next = self._next, []
        self._is_busy = True
        self._reload().addBoth(self._over)

    def _over(self, result: Reloaded | Failure) -> None:
        self._is_busy = False
        asked, self._asked = self._asked, []
        for one in asked:
            if isinstance(result, Failure):
                one.errback(result)
            else:
                one.callback(result)
        if self._next and not self._is_busy:
            self._begin()
