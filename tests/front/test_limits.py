"""The limits of each source, at a frontend with real connections from several loopback addresses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st

from mailproxy import config
from mailproxy.config import FrontendLimits, Limits
from mailproxy.config.rate import Rate
from mailproxy.front.limits import SourceGate, make_gate
from mailproxy.proxyprotocol import Header, InetAddress, encode
from mailproxy.sources.plan import Column, plan_of
from mailproxy.sources.sources import SourceCounts, Sources, connections_of, rate_of
from mailproxy.sources.table import TOUCHED, Table
from tests.config.builders import read
from tests.session.bench import START, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer


@define
class Clock:
    """A clock that the test turns."""

    now: float = START


ONE, OTHER = "127.0.0.2", "127.0.0.3"
LOOPBACK = (ip_network("127.0.0.0/8"),)


def settings_with(limits: Limits, of_frontend: FrontendLimits) -> config.Config:
    frontends = (
        config.Frontend(name=name, bind=(), protocol="imap", tls="none", backend="dovecot", limits=of_frontend)
        for name in ("front", "other")
    )
    return config.Config(frontends=tuple(frontends), backends={}, limits=limits)


class Limited:
    """A frontend with limits, and the tables of sources of two processes."""

    def __init__(self, make: MakeBench, limits: Limits, of_frontend: FrontendLimits, **bench: Any) -> None:
        self.settings = settings_with(limits, of_frontend)
        self.tables = (Table(1000), Table(1000))
        self.sources = Sources(self.tables, self.tables[0])
        self.bench: Bench = make(source_gate=self.gate(self.sources), **bench)

    @property
    def now(self) -> float:
        return self.bench.poller.look_at_clock()

    def gate(self, sources: Sources, frontend: str = "front") -> SourceGate:
        (which,) = (one for one in self.settings.frontends if one.name == frontend)
        gate = make_gate(self.settings, which, sources, self)
        assert gate is not None
        return gate

    def let_in_elsewhere(self, source: str, times: int = 1) -> None:
        """Be another process that lets clients in."""
        gate = self.gate(Sources(self.tables, self.tables[1]))
        for _ in range(times):
            assert gate.judge(bytes(map(int, source.split(".")))) is None
            gate.take()

    def come(self, source: str = ONE) -> Peer | None:
        """Connect a client; return it if it was let in."""
        bench = self.bench
        before, rejected = bench.frontend.counters.connections, bench.frontend.counters.rejected
        client = bench.client(source)
        bench.until(lambda: bench.frontend.counters.connections > before or bench.frontend.counters.rejected > rejected)
        return client if bench.frontend.counters.connections > before else None

    def come_often(self, times: int, source: str = ONE) -> int:
        """Connect clients that leave at once; return how many were let in."""
        let_in = 0
        for _ in range(times):
            client = self.come(source)
            if client is not None:
                let_in += 1
                client.break_off()
                self.bench.until(lambda: not self.bench.frontend.sessions)
        return let_in

    @property
    def hits(self) -> dict[str, int]:
        """How often each gate has rejected a client."""
        return {word: count for word, count in self.bench.frontend.totals.tables["gates"].items() if count}

    @property
    def live(self) -> int:
        """The connections at once of all sources, counted by this process."""
        table = self.tables[0]
        return sum(connections_of([(table, entry[1])]) for entry in table.entries() if entry is not None)


Make = Callable[..., Limited]


@pytest.fixture
def limited(make: MakeBench) -> Make:
    """Make a frontend with limits in `[limits]`, or with its own."""

    def make_limited(here: FrontendLimits | None = None, bench: dict[str, Any] | None = None, **limits: Any) -> Limited:
        return Limited(make, Limits(**limits), here or FrontendLimits(), **(bench or {}))

    return make_limited


def test_connections_at_once_are_limited(limited: Make) -> None:
    front = limited(source_connections=2)
    assert front.come() is not None
    assert front.come() is not None
    assert front.come() is None
    assert front.come(OTHER) is not None
    assert front.hits == {"source-connections": 1}


def test_connection_that_ends_makes_room(limited: Make) -> None:
    front = limited(source_connections=1)
    client = front.come()
    assert client is not None
    assert front.come() is None
    client.break_off()
    front.bench.until(lambda: not front.bench.frontend.sessions)
    assert front.live == 0
    assert front.come() is not None


def test_new_connections_are_limited(limited: Make) -> None:
    front = limited(source_rate=Rate(3, 60.0))
    assert front.come_often(5) == 3
    assert front.come_often(1, OTHER) == 1
    assert front.hits == {"source-rate": 2}


def test_quiet_source_comes_in_again(limited: Make) -> None:
    front = limited(source_rate=Rate(3, 60.0))
    front.come_often(5)
    front.bench.clock.advance(120.0)
    assert front.come_often(1) == 1


def test_source_that_continues_stays_out(limited: Make) -> None:
    """Those that are rejected count as well."""
    front = limited(source_rate=Rate(3, 60.0))
    let_in = 0
    for _ in range(20):
        let_in += front.come_often(1)
        front.bench.clock.advance(10.0)
    assert let_in == 3


def test_failed_handshakes_are_limited(limited: Make) -> None:
    front = limited(source_handshake_failures=Rate(2, 60.0), bench={"tls": True})
    for _ in range(3):
        client = front.come()
        assert client is not None
        client.send(b"this is not TLS\r\n")
        front.bench.until(lambda: front.bench.session.termination)
        client.break_off()
        front.bench.until(lambda: not front.bench.frontend.sessions)
    assert front.come() is None
    assert front.come(OTHER) is not None
    assert front.hits == {"source-handshake-failures": 1}


def test_good_handshake_is_no_failure(limited: Make) -> None:
    front = limited(source_handshake_failures=Rate(1, 60.0), bench={"tls": True})
    for _ in range(3):
        client, _ = front.bench.relay()
        client.break_off()
        front.bench.until(lambda: not front.bench.frontend.sessions)
    assert front.come("127.0.0.1") is not None


def test_exempt_client_is_not_counted(limited: Make) -> None:
    front = limited(source_connections=1, exempt=(ip_network(f"{ONE}/32"),))
    assert front.come() is not None
    assert front.come() is not None
    assert front.sources.size == 0


def test_network_counts_as_one_source(limited: Make) -> None:
    front = limited(source_connections=1, source_prefix_v4=24)
    assert front.come(ONE) is not None
    assert front.come(OTHER) is None
    assert front.come("127.0.1.2") is not None


def test_limit_of_a_frontend_is_for_that_frontend_alone(limited: Make) -> None:
    front = limited(FrontendLimits(source_connections=1))
    elsewhere = front.gate(front.sources, "other")
    assert elsewhere.judge(bytes([127, 0, 0, 2])) is None
    elsewhere.take()
    assert front.come() is not None
    assert front.come() is None


def test_limit_for_all_frontends_counts_all(limited: Make) -> None:
    front = limited(source_connections=1)
    elsewhere = front.gate(front.sources, "other")
    assert elsewhere.judge(bytes([127, 0, 0, 2])) is None
    elsewhere.take()
    assert front.come() is None


def test_both_limits_hold(limited: Make) -> None:
    front = limited(FrontendLimits(source_connections=3), source_connections=2)
    assert [front.come() is not None for _ in range(3)] == [True, True, False]
    assert front.live == 4  # each in both scopes


def test_clients_of_other_processes_count(limited: Make) -> None:
    front = limited(source_connections=3)
    front.let_in_elsewhere(ONE, times=2)
    assert front.come() is not None
    assert front.come() is None


def test_clients_of_a_dead_process_do_not_count(limited: Make) -> None:
    front = limited(source_connections=1)
    front.let_in_elsewhere(ONE)
    assert front.come() is None
    front.tables[1].give_back()
    assert front.come() is not None


def test_rates_of_all_processes_add_up(limited: Make) -> None:
    front = limited(source_rate=Rate(3, 60.0))
    front.let_in_elsewhere(ONE, times=2)
    assert front.come_often(5) == 1


def test_step_of_the_wall_clock_changes_nothing(limited: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    front = limited(source_rate=Rate(3, 60.0))
    front.come_often(3)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert front.come_often(1) == 0


def test_client_behind_a_proxy_is_counted_by_the_header(limited: Make) -> None:
    front = limited(source_connections=1, bench={"accept_proxy": LOOPBACK})
    alice, bob = InetAddress.parse("192.0.2.9:4711"), InetAddress.parse("192.0.2.10:4711")
    bench = front.bench
    for address in (alice, alice, bob):
        bench.client().send(encode(Header.proxy(address, address)).data)
    bench.until(lambda: bench.frontend.counters.headers == 3)
    assert len(bench.frontend.sessions) == front.live == 2
    assert front.hits == {"source-connections": 1}


def test_refused_logins_are_counted_for_rules(limited: Make) -> None:
    front = limited(sources=1000)
    bench = front.bench
    assert front.come() is not None
    bench.session.logins_refused(1)
    plan = plan_of(front.settings)
    assert plan is not None
    known = SourceCounts(front.sources, plan, lambda: front.now)
    measure = config.measure.Measure("auth-failures", 600.0)
    assert known.count(measure)(bytes([127, 0, 0, 2])) == 1.0
    assert known.count(measure)(bytes([127, 0, 0, 3])) == 0.0
    assert known.count(evolve(measure, counted="source-connections", seconds=0.0))(bytes([127, 0, 0, 2])) == 1.0


def test_refused_logins_of_an_exempt_client_are_not_counted(limited: Make) -> None:
    front = limited(sources=1000, exempt=(ip_network(f"{ONE}/32"),))
    assert front.come() is not None
    front.bench.session.logins_refused(1)
    assert front.sources.size == 0


def test_nothing_is_counted_unless_it_is_wanted() -> None:
    settings = settings_with(Limits(), FrontendLimits())
    table = Table(1000)
    assert make_gate(settings, settings.frontends[0], Sources((table,), table), Clock()) is None


def test_session_that_was_let_in_before_a_table_was_there_leaves_quietly(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert bench.over()["termination"]


def test_rejected_client_is_not_counted_as_another_one() -> None:
    settings, table = settings_with(Limits(source_connections=1), FrontendLimits()), Table(1000)
    gate = make_gate(settings, settings.frontends[0], Sources((table,), table), Clock())
    assert gate is not None
    source = ip_address(ONE).packed
    assert gate.judge(source) is None
    assert len(gate.take()) == 1
    assert gate.judge(source) is not None
    assert gate.take() == ()


SOURCES = st.sampled_from([*(bytes([192, 0, 2, number]) for number in range(3)), ip_address("2001:db8::1").packed])
STEPS = st.sampled_from([0.0, 1.0, 20.0, 61.0, 1024 * 60.0 + 61.0])


@given(st.lists(st.tuples(SOURCES, STEPS, st.sampled_from(["", "leave", "fail"])), max_size=60), st.booleans())
def test_table_of_another_process_without_sources_changes_nothing(
    clients: list[tuple[bytes, float, str]], is_twice: bool
) -> None:
    """What a table alone is counted and judged by, without a call, is what several tables are."""
    limits = Limits(
        source_connections=4, source_rate=Rate(8, 60.0), source_handshake_failures=Rate(2, 30.0), source_prefix_v6=60
    )
    settings = settings_with(limits, FrontendLimits(source_connections=3) if is_twice else FrontendLimits())
    tables, clock = [Table(1000) for _ in range(3)], Clock(1020 * 60.0)
    alone, together = (
        make_gate(settings, settings.frontends[0], Sources(several, several[0]), clock)
        for several in (tables[:1], tables[1:])
    )
    assert alone is not None
    assert together is not None
    for source, seconds, then in clients:
        clock.now += seconds
        assert alone.judge(source) == together.judge(source)
        for gate in (alone, together):
            places = gate.take()
            if then == "fail":
                gate.count(places, "handshake-failures")
            if then and places:
                gate.leave(places)
        assert content(tables[0], clock.now) == content(tables[1], clock.now)


def content(table: Table, now: float) -> dict[bytes, list[float]]:
    """Return what a table says of each key."""
    columns = [Column(0, "source-rate", 60.0), Column(1, "handshake-failures", 30.0)]
    found = {}
    for entry in table.entries():
        if entry is not None:
            key, place = entry
            at = [(table, place)]
            found[key] = [connections_of(at), table.times[place + TOUCHED], *(rate_of(at, one, now) for one in columns)]
    return found


def test_source_without_place_is_let_in_and_not_counted() -> None:
    settings, table, clock = settings_with(Limits(source_connections=1), FrontendLimits()), Table(1), Clock()
    gate = make_gate(settings, settings.frontends[0], Sources((table,), table), clock)
    assert gate is not None
    for number in range(table.room):
        assert gate.judge(bytes([192, 0, 2, number])) is None
    before = content(table, clock.now)
    for _ in range(2):
        assert gate.judge(bytes([192, 0, 3, 1])) is None
        assert gate.take() == ()
    assert content(table, clock.now) == before
    assert table.overflows == 2


@pytest.mark.parametrize("per", [["/24"], ["/56"], ["/24", "/16"], ["/24", "/56"]])
@pytest.mark.parametrize("client", ["192.0.2.1", "2001:db8::1"])
def test_client_is_counted_once_whatever_rules_count_by(per: Sequence[str], client: str) -> None:
    rules = [{"label": "x", "if": {"source-rate": {"over": "1000/1h", "per": one}}} for one in per]
    settings, table = read(limits={"source-connections": 4}, frontend__imaps__rule=rules), Table(1000)
    sources = Sources((table,), table)
    gate = make_gate(settings, settings.frontends[0], sources, Clock())
    assert gate is not None
    source = ip_address(client).packed
    for _ in range(4):
        assert gate.judge(source) is None
    assert gate.judge(source) is not None
    plan = plan_of(settings)
    assert plan is not None
    known = SourceCounts(sources, plan, lambda: START)
    for measure in settings.measures:
        assert known.count(measure)(source) == 5.0
    assert sources.size == 1 + sum((int(one[1:]) > 32) == (":" in client) for one in per)
