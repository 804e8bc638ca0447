"""The stats page as a resource: its requests, and what it keeps of the past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.logger import globalLogPublisher

from mailproxy.control.running import Running
from mailproxy.web.access import Access
from mailproxy.web.reply import EVENTS, HTML, Reply, Stream
from mailproxy.web.request import Request
from mailproxy.web.static_files import VERSION
from mailproxy.web.stats.newest import NewestEvents
from mailproxy.web.stats.page import document, search_of
from mailproxy.web.stats.samples import Samples
from mailproxy.web.stats.sections import Sections
from mailproxy.web.stats.snapshot import Snapshots
from mailproxy.web.stats.updates import updates
from mailproxy.web.turns import Turns


class Stats:
    """The page, for all who look."""

    def __init__(
        self,
        running: Running,
        reactor: Any,
        turns: Turns,
        *,
        watchers: Callable[[], int],
        access: Callable[[], Access],
    ) -> None:
        """`watchers` returns the number of clients that watch events, `access` the rules of today."""
        self._reactor = reactor
        self._access = access
        self.samples = Samples(running, reactor)
        """The totals of the last minutes."""
        self.events = NewestEvents(running.events or globalLogPublisher)
        """The newest events."""
        snapshots = Snapshots(running, reactor, turns, self.samples, self.events, watchers=watchers)
        self._sections = Sections(snapshots, turns)

    def start(self) -> None:
        """Begin to keep samples and events."""
        self.samples.start()
        self.events.start()

    def stop(self) -> None:
        """Keep no more."""
        self.samples.stop()
        self.events.stop()

    async def page(self, request: Request) -> Reply:
        """Reply with the page."""
        search = search_of(request.argument("search"))
        sections = await self._sections.all(search)
        has_token = self._access().token is not None
        return Reply("".join(document(sections, search, VERSION, has_token=has_token)).encode(), HTML)

    def updates(self, request: Request) -> Stream:
        """Reply with the sections, as they change."""
        return Stream(updates(self._sections, search_of(request.argument("search")), self._reactor), EVENTS)
