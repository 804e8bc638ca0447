"""What holds for every rule under every sequence of events."""

from __future__ import annotations

import random
from functools import partial

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailproxy.balance import random as random_rule
from mailproxy.balance.attempt import least_tried
from mailproxy.balance.change import Change
from mailproxy.balance.health import Health
from mailproxy.balance.pool_server import PoolServer, ServerState
from mailproxy.balance.rule import RULES, Rule
from tests.balance.builders import pool
from tests.examples import examples

SERVERS = st.integers(0, 4)
SLOWSTART_SECONDS = 10.0


@define(eq=False)
class Session:
    """A client with its key, what it tried, and the place it has."""

    machine: PoolMachine
    number: int
    key: bytes
    tried: list[PoolServer] = field(factory=list)
    place: PoolServer | None = None

    def turn(self, server: PoolServer) -> None:
        self.machine.served(self, server)

    def no_turn(self) -> None:
        assert self.machine.pool.is_empty
        assert self is self.machine.waiting.pop(0), "the queue is told in order"


class PoolMachine(RuleBasedStateMachine):
    """Sessions come, wait, fail and leave, while servers do what servers do; a plain model knows what has to hold."""

    rule_name = ""

    @initialize(
        weights=st.lists(st.sampled_from([0, 1, 50, 100, 256]), min_size=1, max_size=5),
        backups=st.sets(SERVERS),
        limits=st.lists(st.integers(0, 3), min_size=5, max_size=5),
        slow=st.sets(SERVERS),
        allbackups=st.booleans(),
        retries=st.integers(0, 3),
        maxqueue=st.sampled_from([0, 1, 5]),
    )
    def begin(
        self,
        weights: list[int],
        backups: set[int],
        limits: list[int],
        slow: set[int],
        allbackups: bool,
        retries: int,
        maxqueue: int,
    ) -> None:
        self.now = 0.0
        self.came = 0
        self.servers = [
            PoolServer(
                name=f"s{number}",
                weight=weight,
                backup=number in backups,
                maxconn=limits[number],
                slowstart=SLOWSTART_SECONDS if number in slow else 0,
                target=number,
                health=Health(rise=1, fall=2, error_limit=2),
            )
            for number, weight in enumerate(weights)
        ]
        self.allbackups, self.retries, self.maxqueue = allbackups, retries, maxqueue
        self.seated: list[Session] = []
        self.waiting: list[Session] = []
        """In the order of arrival."""
        self.changes: list[Change[PoolServer]] = []
        self.allowance = {server: server.places for server in self.servers}
        """The most sessions that a server may have: its places, or what it had when it lost some."""
        chosen = RULES[self.rule_name]
        if self.rule_name == "random":
            chosen = Rule(partial(random_rule.pick, draw=random.Random(1).random), "drawn")
        self.is_sticky = chosen.is_sticky
        self.is_line_for_ever = chosen.is_sticky and bool(slow)
        """With slowstart, clients by source wait where they were, though they would go elsewhere if they came now."""
        self.pool = pool(
            self.servers,
            chosen,
            self.changes.append,
            allbackups=allbackups,
            retries=retries,
            maxqueue=maxqueue,
        )

    # The model

    def candidates(self) -> list[PoolServer]:
        """The servers that may be picked, from the recorded events alone."""
        usable = [
            server
            for server in self.servers
            if server.is_up
            and {server.state, server.agent_state} == {"ready"}
            and server.asked_weight > 0
            and server.target is not None
        ]
        active = [server for server in usable if not server.backup]
        return active or (usable if self.allbackups else usable[:1])

    def acceptable(self, session: Session) -> list[PoolServer]:
        """The servers that may have this session now."""
        candidates = self.candidates()
        others = [server for server in candidates if [server] != session.tried[-1:]] or candidates
        if self.is_sticky and others:
            home = RULES["source"].pick(least_tried(others, session.tried), session.key)
            return [home] if home.has_room else []
        return list(least_tried([server for server in others if server.has_room], session.tried))

    def place_taken(self, session: Session, server: PoolServer) -> None:
        assert server in self.candidates(), "no pick of a server that is not usable, ever"
        assert server.sessions <= server.places
        assert len(session.tried) <= self.retries
        if len(self.candidates()) > 1:
            assert [server] != session.tried[-1:], "never the same server twice in a row when another is usable"
        session.place = server
        self.seated.append(session)

    def served(self, session: Session, server: PoolServer) -> None:
        earlier = self.waiting[: self.waiting.index(session)]
        self.waiting.remove(session)
        if not self.is_line_for_ever:
            server.sessions -= 1
            assert not any(self.acceptable(other) for other in earlier), "the queue is served in order"
            server.sessions += 1
        self.place_taken(session, server)

    def server(self, number: int) -> PoolServer:
        return self.servers[number % len(self.servers)]

    def try_once(self, session: Session) -> None:
        acceptable = self.acceptable(session) if len(session.tried) <= self.retries else []
        queued = self.pool.queued
        server = self.pool.pick(session.key, session.tried, self.now)
        if server is not None:
            assert server in acceptable
            self.place_taken(session, server)
            return
        assert not acceptable
        may_wait = bool(self.candidates()) and len(session.tried) <= self.retries
        has_space = not self.maxqueue or queued < self.maxqueue
        is_waiting = self.pool.enqueue(session, session.key, session.tried)
        assert is_waiting == (may_wait and has_space)
        if is_waiting:
            self.waiting.append(session)

    # Events

    @rule(client=st.integers(0, 30))
    def come(self, client: int) -> None:
        self.pool.refresh(self.now)
        self.came += 1
        self.try_once(Session(self, self.came, b"%d" % client))

    @precondition(lambda self: self.seated)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.seated))
        self.give_back(session)

    def give_back(self, session: Session) -> PoolServer:
        self.seated.remove(session)
        assert session.place is not None
        server, session.place = session.place, None
        self.pool.leave(server, self.now)
        return server

    @precondition(lambda self: self.seated)
    @rule(data=st.data())
    def fail_and_retry(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.seated))
        session.tried.append(self.give_back(session))
        self.pool.observed_error(session.tried[-1], self.now, "refused")
        self.pool.refresh(self.now)
        self.try_once(session)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def stop_waiting(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(session)
        assert self.pool.dequeue(session)

    @rule(number=SERVERS, is_good=st.booleans())
    def check(self, number: int, is_good: bool) -> None:
        server = self.server(number)
        was_up, reported = server.is_up, len(self.changes)
        if is_good:
            self.pool.passed(server, self.now)
        else:
            self.pool.failed(server, self.now, "refused")
        events = [change.event for change in self.changes[reported:] if change.event != "no-server"]
        assert events == ([] if server.is_up == was_up else ["up"] if server.is_up else ["down"])

    @rule(number=SERVERS, state=st.sampled_from(["ready", "ready", "drain", "maint"]), is_agent=st.booleans())
    def set_state(self, number: int, state: ServerState, is_agent: bool) -> None:
        (self.pool.set_agent_state if is_agent else self.pool.set_state)(self.server(number), state, self.now)

    @rule(number=SERVERS, weight=st.sampled_from([0, 1, 100, 256]))
    def set_weight(self, number: int, weight: int) -> None:
        self.pool.set_weight(self.server(number), weight, self.now)

    @rule(number=SERVERS, maxconn=st.integers(0, 4))
    def set_maxconn(self, number: int, maxconn: int) -> None:
        self.pool.set_maxconn(self.server(number), maxconn, self.now)

    @rule(number=SERVERS, address=st.sampled_from([None, 1, 2]))
    def set_target(self, number: int, address: int | None) -> None:
        self.pool.set_target(self.server(number), address, self.now)

    @rule(number=SERVERS, backup=st.booleans())
    def set_backup(self, number: int, backup: bool) -> None:
        self.pool.set_backup(self.server(number), backup, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 7.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self.pool.refresh_at:
            self.pool.refresh(self.now)

    # What holds

    @invariant()
    def places_are_conserved(self) -> None:
        for server in self.servers:
            assert server.sessions == sum(session.place is server for session in self.seated)

    @invariant()
    def nobody_is_above_maxconn(self) -> None:
        for server in self.servers:
            assert server.sessions <= max(server.places, self.allowance[server])
            self.allowance[server] = max(server.places, server.sessions)

    @invariant()
    def nobody_is_forgotten(self) -> None:
        assert self.pool.queued == len(self.waiting)
        if not self.candidates():
            assert not self.waiting
        if not self.is_line_for_ever:
            assert not any(self.acceptable(session) for session in self.waiting), "nobody waits for a place in vain"

    @invariant()
    def counts_are_right(self) -> None:
        assert self.pool.is_empty == (not self.candidates())
        assert all(0 <= change.active <= len(self.servers) for change in self.changes)


@pytest.mark.parametrize("name", RULES)
def test_invariants_hold_after_any_events(name: str) -> None:
    machine = type(name, (PoolMachine,), {"rule_name": name})
    run_state_machine_as_test(machine, settings=examples(40, stateful_step_count=40))
