"""
The servers of one backend for one protocol: the pick, the queue, and the effect of a server's change on both.

The candidates are computed at a change, not at a pick: they are the usable servers without backups; if there are none,
the first usable backup, or with ``allbackups`` all of them. A rule chooses among those with room.

Whenever a place may have become free (a session left, a server came up, slowstart took a step), the queue is served
until no waiting client can get a place. So a later client that finds a place does not overtake the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from mailproxy.balance.attempt import least_tried
from mailproxy.balance.change import Change, Event
from mailproxy.balance.pool_server import RAMP_STEPS, UNLIMITED, AnyServer
from mailproxy.balance.queue import Queue, Waiter, Waiting
from mailproxy.balance.rule import Rule
from mailproxy.balance.server_changes import ServerChanges
from mailproxy.balance.shared_pool import SharedPool

# The shortest time between two steps of slowstart.
_SHORTEST_STEP_SECONDS = 0.05


class Pool(ServerChanges[AnyServer]):
    """
    Servers, a rule, and a queue. Its methods may be called from within its callbacks.

    ``retries``: attempts of a session after its first one. ``maxqueue``: the most clients that may wait; 0: no limit.
    """

    def __init__(
        self,
        name: str,
        servers: Sequence[AnyServer],
        rule: Rule,
        *,
        on_change: Callable[[Change[AnyServer]], None],
        allbackups: bool = False,
        retries: int = 3,
        maxqueue: int = 0,
    ) -> None:
        self.name = name
        self.servers = servers
        self.refresh_at = inf
        """When ``refresh`` is due; ``inf``: no server is in its slowstart."""
        self.beside: list[Pool[AnyServer]] = []
        """Pools that have some of the same servers."""
        self._rule = rule
        self._on_change = on_change
        self._allbackups = allbackups
        self._retries = retries
        self._maxqueue = maxqueue
        self._queue: Queue[AnyServer] = Queue()
        self._is_serving = False
        self._is_patient = True
        self._turns = 0
        self._candidates: Sequence[AnyServer] = ()
        self.usable = 0
        """The number of servers that may be picked now, full or not: backups only if no other server may."""
        self._is_limited = False
        self._needs_sessions = False
        """Whether a pick depends on the sessions of the candidates."""
        self._shared: SharedPool[AnyServer] | None = None
        for server in servers:
            if not server.is_settled:
                server.settle(0.0)
        self._find_candidates()

    # Picking

    @property
    def active(self) -> int:
        """The number of servers without backups that may be picked, full or not."""
        return sum(server.is_usable for server in self.servers if not server.backup)

    @property
    def backup(self) -> int:
        """The number of backups that may be picked if no other server may."""
        return sum(server.is_usable for server in self.servers if server.backup)

    @property
    def queued(self) -> int:
        """The number of clients that wait for a place."""
        return len(self._queue) + (0 if self._shared is None else self._shared.queued)

    @property
    def is_empty(self) -> bool:
        """Whether no server may be picked now, full or not."""
        return not self._candidates

    @property
    def is_full(self) -> bool:
        """Whether there are usable servers, and all are full."""
        return bool(self._candidates) and not any(server.has_room for server in self._candidates)

    def pick(
        self, key: bytes, tried: Sequence[AnyServer], now: float, refused: Sequence[AnyServer] = ()
    ) -> AnyServer | None:
        """
        Take a place for a session on the server that the rule chooses; give it back by ``leave``.

        ``key`` is the client's (``source.client_key``), ``tried`` has one entry per attempt of this session, in order.
        None: there is no server, none has room (then ``enqueue``), or the session has no attempt left. The server tried
        last is not picked again while another is usable, even if that one is full. A server that ``refused`` this
        client is not picked again at all.
        """
        if now >= self.refresh_at:
            self.refresh(now)
        if len(tried) > self._retries:
            return None
        if self._shared is not None and self._needs_sessions:
            self._shared.refresh_sessions()
            if self._is_limited and not self._rule.is_sticky and self._shared.waiting_since < inf:
                return None  # other clients wait for a place already
        if tried or self._is_limited or not self._candidates:
            server = self._choose(key, tried, refused)
        elif len(self._candidates) == 1:
            server = self._candidates[0]
        else:  # the usual cases, which cost the rule at most
            server = self._rule.pick(self._candidates, key)
        if server is not None:
            self._take(server)
        return server

    def leave(self, server: AnyServer, now: float) -> None:
        """Give a place on ``server`` back; the next waiting client gets it. ValueError if no session has one."""
        if server.sessions <= 0:
            raise ValueError(f"server {server.name} has no session that could leave")
        if server.successor is None:
            server.sessions -= 1
        else:
            server.count(-1)
        if self._shared is not None:
            self._shared.left(server)
        if self._queue.everybody:  # the truth of the queue itself would be another call
            self.serve()
        if self._shared is not None and self._is_limited and server.has_room:
            self._shared.wake()
        for pool in self.beside:
            pool.serve()

    def _take(self, server: AnyServer) -> None:
        if server.successor is None:
            server.sessions += 1
        else:
            server.count(1)
        self._turns += 1
        server.turn = self._turns
        if self._shared is not None:
            self._shared.took(server)

    def _choose(self, key: bytes, tried: Sequence[AnyServer], refused: Sequence[AnyServer] = ()) -> AnyServer | None:
        candidates = self._others(tried)
        if refused:
            candidates = [server for server in candidates if server not in refused]
        if self._is_limited and not self._rule.is_sticky:
            candidates = [server for server in candidates if server.sessions < server.places]
        server = self._by_rule(candidates, key, tried)
        return server if server is not None and server.sessions < server.places else None

    def _others(self, tried: Sequence[AnyServer]) -> Sequence[AnyServer]:
        """Return the candidates without the one that was tried last, or with it if there is no other."""
        if not tried:
            return self._candidates
        last = tried[-1]
        return [server for server in self._candidates if server is not last] or self._candidates

    def _by_rule(self, candidates: Sequence[AnyServer], key: bytes, tried: Sequence[AnyServer]) -> AnyServer | None:
        if not candidates:
            return None
        return self._rule.pick(least_tried(candidates, tried), key)

    # Waiting

    def enqueue(self, waiter: Waiter[AnyServer], key: bytes, tried: Sequence[AnyServer]) -> bool:
        """
        Queue a client that got no place from ``pick``; False if it cannot wait (no server, no attempt left, or queue
        full).

        Calls ``waiter.turn(server)`` with a place taken, or ``waiter.no_turn()`` as soon as no server is usable.
        """
        is_queue_full = 0 < self._maxqueue <= self.queued
        if not self._candidates or len(tried) > self._retries or is_queue_full:
            return False
        tried = tuple(tried)
        since = 0.0 if self._shared is None else self._shared.now()
        self._queue.join(waiter, key, tried, self._line(key, tried), since)
        self._share_queue()
        return True

    def dequeue(self, waiter: Waiter[AnyServer]) -> bool:
        """Stop waiting; False if the waiter is not in the queue."""
        was_there = self._queue.remove(waiter)
        self._share_queue()
        return was_there

    def _line(self, key: bytes, tried: Sequence[AnyServer]) -> AnyServer | None:
        if self._rule.is_sticky:
            return self._by_rule(self._others(tried), key, tried)
        return tried[-1] if tried else None

    def serve(self) -> None:
        """Give free places to those who wait for them."""
        # A waiter's turn may end at once and call `leave`: the loop of the first call then serves that place.
        if not self._queue or self._is_serving:
            return
        self._is_serving = True
        try:
            while self._may_serve() and (served := self._next_served()) is not None:
                waiting, server = served
                self._queue.remove(waiting.waiter)
                self._share_queue()
                self._take(server)
                waiting.waiter.turn(server)
        finally:
            self._is_serving = False

    def _next_served(self) -> tuple[Waiting[AnyServer], AnyServer] | None:
        for waiting in self._queue.heads(self._moves):
            server = waiting.line if self._rule.is_sticky else self._choose(waiting.key, waiting.tried)
            if server is not None:
                return waiting, server
        return None

    def _moves(self, line: AnyServer | None) -> bool:
        """Whether the first client of a line may get a place."""
        return not self._rule.is_sticky or (line is not None and line.sessions < line.places)

    # Several processes

    def share_with_processes(self, shared: SharedPool[AnyServer] | None) -> None:
        """Share the servers with the pools of other processes from now on; None: no more."""
        if shared is None and self._shared is not None:
            self._shared.wait(0, inf)
        self._shared = shared
        if shared is not None:
            shared.refresh_sessions()
            self._share_queue()

    def refresh_sessions(self) -> None:
        """Bring the servers' sessions up to date: those of all processes."""
        if self._shared is not None:
            self._shared.refresh_sessions()

    def woken(self, *, is_patient: bool = True) -> None:
        """
        Serve the queue with places that other processes have freed.

        If not patient, also take places that are for a client of another process.
        """
        self._is_patient = is_patient
        try:
            self.serve()
        finally:
            self._is_patient = True

    def _may_serve(self) -> bool:
        """Bring the sessions of all processes up to date; False if a place is for a client of another process."""
        shared = self._shared
        if shared is None:
            return True
        shared.refresh_sessions()
        if not self._is_patient or self._rule.is_sticky or shared.waiting_since >= self._queue.since:
            return True
        shared.wake()
        return False

    def _share_queue(self) -> None:
        if self._shared is not None:
            self._shared.wait(len(self._queue), self._queue.since)

    # Servers of two pools

    def share(self, other: Pool[AnyServer]) -> None:
        """Keep this pool and another one with some of the same servers up to date about each other's changes."""
        self.beside.append(other)
        other.beside.append(self)
        self.servers_changed()

    def unshare(self, other: Pool[AnyServer]) -> None:
        """Undo `share`."""
        self.beside.remove(other)
        other.beside.remove(self)

    def servers_changed(self) -> None:
        """Apply another pool's changes of servers."""
        self._find_candidates()
        if self._candidates and self._rule.is_sticky:
            self._queue.regroup(self._line)
        self._serve_or_dismiss()

    def _serve_or_dismiss(self) -> None:
        while self._queue and not self._candidates:
            waiter = self._queue.pop()
            self._share_queue()
            waiter.no_turn()
        self.serve()

    # Changes

    def refresh(self, now: float) -> None:
        """Take the due steps of slowstart; call it at ``refresh_at``, or at any other time."""
        self._ramp(now)
        self.serve()

    def _ramp(self, now: float) -> None:
        shortest = inf
        for server in self.servers:
            if server.ramp_began is not None:
                server.ramp(now)
            if server.ramp_began is not None:
                shortest = min(shortest, server.slowstart)
        self.refresh_at = now + max(shortest / RAMP_STEPS, _SHORTEST_STEP_SECONDS)

    def _changed(self, server: AnyServer, event: Event, reason: str, now: float) -> None:
        had_servers = bool(self._candidates)
        server.note(reason, now)
        server.settle(now)
        self._ramp(now)
        self._find_candidates()
        has_lost_all = had_servers and not self._candidates
        if self._candidates and self._rule.is_sticky:
            self._queue.regroup(self._line)
        self._report(server, event, reason)
        if has_lost_all:
            self._report(server, "no-server", reason)
        self._serve_or_dismiss()
        for pool in self.beside:
            pool.servers_changed()

    def _report(self, server: AnyServer, event: Event, reason: str) -> None:
        self.refresh_sessions()
        self._on_change(
            Change(
                pool=self.name,
                server=server,
                event=event,
                reason=reason,
                active=self.active,
                backup=self.backup,
                sessions=server.sessions,
                queued=self.queued,
            )
        )

    def _find_candidates(self) -> None:
        usable = [server for server in self.servers if server.is_usable]
        backups = [server for server in usable if server.backup]
        active = [server for server in usable if not server.backup]
        self._candidates = active or (backups if self._allbackups else backups[:1])
        self.usable = len(self._candidates)
        self._is_limited = any(server.places < UNLIMITED for server in self._candidates)
        self._needs_sessions = self._is_limited or (self._rule.compares_sessions and len(self._candidates) > 1)
