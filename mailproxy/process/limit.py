"""A bound on sessions that several processes have together."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.front.capacity import Capacity
from mailproxy.process.page import Page, Pages, Places
from mailproxy.transport.listener import Listener


def limit_names(name: str) -> tuple[str, str]:
    """Return the names of a bound's numbers among the places: live sessions, and whether its listeners pause."""
    return f"live {name}", f"full {name}"


class SharedCapacity(Capacity):
    """
    A bound on the live sessions of all workers, as one worker sees it.

    Two workers that accept within the same moment do not see each other: there may be one session more than the bound
    for each further worker.
    """

    def __init__(self, name: str, pages: Pages, number: int, places: Places) -> None:
        super().__init__(name, 0)
        self._pages = pages
        self._number = number
        self._page = pages.workers[number]
        self._live, self._full = (places[place] for place in limit_names(name))

    @property
    def sessions(self) -> int:
        """The live sessions of all processes."""
        live = self._live
        return sum(page[live] for page in self._pages.workers)

    def bound(self, listener: Listener) -> None:
        """Let a listener bring no more sessions than this."""
        self._listeners.append(listener)
        if self._page[self._full] or self.sessions >= self.maximum:
            self._pause()
            self.look()

    def resize(self, maximum: int) -> None:
        """Change the bound; sessions beyond it live on."""
        self.maximum = maximum
        self._pause()
        self.look()

    def join(self) -> None:
        """Count a session in."""
        self.live += 1
        self._page[self._live] += 1
        if self.sessions >= self.maximum:
            self._pause()
            # Somebody may have left before it could be seen that this waits for that.
            self.look()

    def leave(self) -> None:
        """Count a session out."""
        self.live -= 1
        self._page[self._live] -= 1
        full = self._full
        for number, page in enumerate(self._pages.workers):
            if page[full]:
                if number == self._number:
                    self.look()
                else:
                    self._pages.ring(number)

    def look(self) -> None:
        """Accept again if there is room."""
        if self._page[self._full] and self.sessions < self.maximum:
            self._page[self._full] = 0
            for listener in self._listeners:
                listener.resume(self.name)

    def _pause(self) -> None:
        self._page[self._full] = 1
        for listener in self._listeners:
            listener.pause(self.name)


class WatchedCapacity(Capacity):
    """A bound on the live sessions of all workers, as the main process sees it, which has none."""

    def __init__(self, name: str, pages: Sequence[Page], places: Places) -> None:
        super().__init__(name, 0)
        self._pages = pages
        self._live, _ = (places[place] for place in limit_names(name))

    @property
    def sessions(self) -> int:
        """The live sessions of all workers."""
        return sum(page[self._live] for page in self._pages)
