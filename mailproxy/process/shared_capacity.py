"""A limit on the sessions of several processes together."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.counting.page import Numbers, Pages
from mailproxy.counting.places import Places
from mailproxy.front.capacity import Capacity
from mailproxy.transport.listener import Listener


def limit_names(name: str) -> tuple[str, str]:
    """Return the names of a limit's places: live sessions, and whether its listeners pause."""
    return f"live {name}", f"full {name}"


class SharedCapacity(Capacity):
    """
    A limit on the live sessions of all workers, in one worker.

    Workers that accept at the same moment do not see each other's session: each further worker may exceed the limit by
    one session.
    """

    def __init__(self, name: str, pages: Pages, number: int, places: Places) -> None:
        super().__init__(name, 0)  # so each session is noticed
        self._pages = pages
        self._page = pages.workers[number]
        self._others = tuple((other, page) for other, page in enumerate(pages.workers) if other != number)
        self._live, self._full = (places[place] for place in limit_names(name))

    @property
    def sessions(self) -> int:
        """The live sessions of all processes."""
        live = self._live
        return sum(page[live] for page in self._pages.workers)

    def apply_to(self, listener: Listener) -> None:
        """Apply the limit to a listener."""
        self._listeners.append(listener)
        if self._page[self._full] or self.sessions >= self.maximum:
            self._pause()
            self.resume_if_room()

    def resize(self, maximum: int) -> None:
        """Change the limit; sessions beyond it continue."""
        self.maximum = maximum
        self._pause()
        self.resume_if_room()

    def joined(self) -> None:
        """Tell the other processes, and pause if the limit is reached: `live` has a session more."""
        place = self._live
        self._page[place] = sessions = self.live
        for _, page in self._others:
            sessions += page[place]
        if sessions >= self.maximum:
            self._pause()
            # A session may have ended before other processes could see that this one waits.
            self.resume_if_room()

    def left(self) -> None:
        """Tell the other processes, and resume if there is room: `live` has a session less."""
        self._page[self._live] = self.live
        full = self._full
        if self._page[full]:
            self.resume_if_room()
        for number, page in self._others:
            if page[full]:
                self._pages.ring(number)

    def resume_if_room(self) -> None:
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
    """A limit on the live sessions of all workers, in the main process, which has no sessions."""

    def __init__(self, name: str, pages: Sequence[Numbers], places: Places) -> None:
        super().__init__(name, 0)
        self._pages = pages
        self._live, _ = (places[place] for place in limit_names(name))

    @property
    def sessions(self) -> int:
        """The live sessions of all workers."""
        return sum(page[self._live] for page in self._pages)
