"""
The counts of a front: counters, live sessions, and sessions of servers.

A single process counts for itself. Several processes that accept from the same sockets count together, with the
`PageCounts` in `mailproxy.process`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mailproxy.backend.numbers import SERVER
from mailproxy.balance.pool import Pool
from mailproxy.config import Config
from mailproxy.counting.block import Block
from mailproxy.counting.layout import Totals
from mailproxy.counting.page import Numbers, Pages
from mailproxy.counting.places import COUNTER, NoRoomError, Places
from mailproxy.front import pace
from mailproxy.front.capacity import Capacity
from mailproxy.front.sockets import StartError
from mailproxy.front.vitals import PROCESS, STARTED, STATE
from mailproxy.session.numbers import FRONTEND
from mailproxy.sources.sources import Sources
from mailproxy.sources.table import Table


def server_name(backend: str, protocol: str, server: str) -> str:
    """Return the name of the block of a server's numbers, for one protocol."""
    return f"{COUNTER}server {backend} {protocol} {server}"


def frontend_name(frontend: str) -> str:
    """Return the name of the block of a frontend's numbers."""
    return f"{COUNTER}frontend {frontend}"


def pace_name(frontend: str) -> str:
    """Return the name of the numbers of a frontend's new connections."""
    return f"pace {frontend}"


PROCESS_NAME = f"{COUNTER}process"
"""The name of the block of what each process counts of itself."""

STATE_NAME = "process"
"""The name of the block with the state of each process."""


def rule_name(frontend: str, rule: str) -> str:
    """Return the name of the number of clients that a rule has matched."""
    return f"{COUNTER}rule {frontend} {rule}"


class Counts:
    """Counts for one process."""

    def __init__(self, pages: Pages | None = None) -> None:
        self.pages = Pages() if pages is None else pages
        self.places = Places()
        self._sources: Sources | None = None

    def assign_places(self, settings: Config) -> None:
        """Assign a place to each number of a configuration; raise `StartError` if too few are left."""
        try:
            self.places.add(dict(self._names(settings)))
        except NoRoomError as error:
            raise StartError(str(error)) from error
        self.pages.used = self.places.used

    def _names(self, settings: Config) -> Iterator[tuple[str, int]]:
        """Yield the names of all blocks that a configuration needs, with their lengths."""
        yield PROCESS_NAME, PROCESS.length
        yield STATE_NAME, STATE.length
        for frontend in settings.frontends:
            yield frontend_name(frontend.name), FRONTEND.length
            yield pace_name(frontend.name), pace.NUMBERS
            for rule in frontend.rules:
                yield rule_name(frontend.name, rule.name), 1
        for backend, protocol in settings.used_backends:
            for server in settings.backends[backend].servers:
                for slot in server.slots:
                    yield server_name(backend, protocol, slot), SERVER.length

    def frontend(self, name: str) -> Block:
        """Return the numbers of a frontend that is known."""
        return self._block(frontend_name(name))

    def rule(self, frontend: str, rule: str) -> Block:
        """Return the number of clients that a rule has matched; the rule is known."""
        return self._block(rule_name(frontend, rule))

    def server(self, backend: str, protocol: str, server: str) -> Block:
        """Return the numbers of a server of a backend, for one protocol, that is known."""
        return self._block(server_name(backend, protocol, server))

    def server_totals(self, backend: str, protocol: str, server: str) -> Totals:
        """Return all numbers of a server since the start, of all processes whose numbers this one has."""
        return SERVER.totals(self.server(backend, protocol, server).sums())

    def process(self) -> tuple[Block, Numbers]:
        """Return what processes count of themselves, and the state of this process."""
        return self._block(PROCESS_NAME), self._state_of(self.pages.main)

    def states(self) -> Mapping[str, Totals]:
        """Return the state of each process that runs, by its name: ``main``, and ``worker 0`` and so on."""
        pages = {f"worker {number}": page for number, page in enumerate(self.pages.workers)}
        states = {name: self._state_of(page) for name, page in {"main": self.pages.main, **pages}.items()}
        return {name: STATE.totals(state) for name, state in states.items() if state[STARTED]}

    def _state_of(self, page: Numbers) -> Numbers:
        return page[self.places.block(STATE_NAME)]

    def _block(self, name: str) -> Block:
        """Return a block: its numbers in this process's page, and those of all processes whose sums this one tells."""
        places = self.places.block(name)
        return Block(self.pages.main[places], tuple(page[places] for page in self.pages.all))

    def pace(self, frontend: str) -> tuple[Numbers, Sequence[Numbers]]:
        """Return the numbers of a frontend's new connections: this process's, and those of all that accept."""
        place = self.places.block(pace_name(frontend))
        return self.pages.main[place], (self.pages.main[place],)

    def sources(self, size: int) -> Sources:
        """Return what is known of each source; the first call makes the table, for `size` of them."""
        if self._sources is None:
            self._sources = self._make_sources(size)
        return self._sources

    @property
    def known_sources(self) -> Sources | None:
        """What is known of each source; None if no configuration has wanted it."""
        return self._sources

    def _make_sources(self, size: int) -> Sources:
        table = Table(size)
        return Sources((table,), table)

    def capacity(self, name: str) -> Capacity:
        """Return a limit on sessions; the caller sets its value later."""
        return Capacity(name, 0)

    def count_pool(self, backend: str, protocol: str, pool: Pool[Any]) -> None:
        """
        Let a pool's servers count in this process's page, and give it the sessions of other processes.

        It replaces the previous pool for the same key.
        """
        for server in pool.servers:
            server.numbers = self.server(backend, protocol, server.name).numbers
