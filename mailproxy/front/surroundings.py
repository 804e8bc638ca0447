"""What the rules of a frontend ask about: servers, sessions, the time, lists of networks, sources and bans."""

from __future__ import annotations

import time
from collections.abc import Mapping

from mailproxy.backend.backend import Backend
from mailproxy.config import Config
from mailproxy.config.measure import Measure
from mailproxy.config.model import MailProtocol
from mailproxy.front.capacity import Capacity
from mailproxy.front.process_state import BackendKey, ProcessState
from mailproxy.networks.network_list import NetworkList
from mailproxy.rules.surroundings import Count, Number
from mailproxy.rules.unknown import Unknown
from mailproxy.sources.plan import plan_of
from mailproxy.sources.sources import SourceCounts

_MINUTE_SECONDS = 60


class FrontSurroundings:
    """
    The surroundings of a frontend's rules, in one reading of the configuration.

    A reading may be prepared before a process is forked that has the clients. So what differs between processes is
    looked up when there is a client.
    """

    def __init__(
        self,
        settings: Config,
        protocol: MailProtocol,
        backends: Mapping[BackendKey, Backend],
        process_state: ProcessState,
    ) -> None:
        """`protocol` is that of the frontend."""
        self._settings = settings
        self._protocol = protocol
        self._backends = backends
        self._process_state = process_state
        self._known_minute = 0
        self._minute_of_week = 0

    def network_list(self, path: str) -> NetworkList:
        """Return the list of a file, which changes when the file does."""
        return self._process_state.lists.at(path)

    def servers_up(self, backend: str) -> Number:
        """Return what counts the servers of a backend that may take clients, as in HAProxy's ``nbsrv``."""
        pool = self._backends[backend, self._protocol].pool
        return lambda: pool.usable

    def frontend_sessions(self, frontend: str) -> Number:
        """Return what counts the sessions of a frontend, in all processes."""
        capacity: Capacity | None = None

        def sessions() -> int:
            nonlocal capacity
            if capacity is None:
                capacity = self._process_state.capacity(frontend)
            return capacity.sessions

        return sessions

    def backend_sessions(self, backend: str) -> Number:
        """Return what counts the sessions of a backend and the clients that wait, in all processes."""
        pool = self._backends[backend, self._protocol].pool

        def sessions() -> int:
            pool.refresh_sessions()
            return sum([server.sessions for server in pool.servers]) + pool.queued

        return sessions

    def minute(self) -> int:
        """Return the minute of the week in local time; offsets of time zones change at whole minutes."""
        minute = int(time.time()) // _MINUTE_SECONDS
        if minute != self._known_minute:
            now = time.localtime(minute * _MINUTE_SECONDS)
            self._known_minute = minute
            self._minute_of_week = (now.tm_wday * 24 + now.tm_hour) * 60 + now.tm_min
        return self._minute_of_week

    def count(self, measure: Measure) -> Count:
        """Return what counts for a source."""
        made: list[Count] = []

        def number(address: bytes) -> float | Unknown:
            if not made:
                made.append(self._source_counts().count(measure))
            return made[0](address)

        return number

    def _source_counts(self) -> SourceCounts:
        sources, plan = self._process_state.sources(self._settings), plan_of(self._settings)
        assert sources is not None, "rules count, so sources are kept"
        assert plan is not None
        return SourceCounts(sources, plan, time.monotonic)

    def banned(self, address: bytes) -> bool:
        """Return whether an address is banned."""
        return self._process_state.bans.banned(address)
