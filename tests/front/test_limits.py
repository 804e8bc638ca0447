"""The limits of each source, at a frontend with real connections from several loopback addresses."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from attrs import evolve

from mailproxy import config
from mailproxy.config import FrontendLimits, Limits
from mailproxy.config.rate import Rate
from mailproxy.front.limits import SourceGate, make_gate
from mailproxy.proxyprotocol import Header, InetAddress, encode
from mailproxy.sources.plan import plan_of
from mailproxy.sources.sources import SourceCounts, Sources
from mailproxy.sources.table import Table
from tests.session.bench import START, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

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

    def now(self) -> float:
        return self.bench.poller.look_at_clock()

    def gate(self, sources: Sources, frontend: str = "front") -> SourceGate:
        (which,) = (one for one in self.settings.frontends if one.name == frontend)
        gate = make_gate(self.settings, which, sources, self.now)
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
        return sum(self.tables[0].live)


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
    known = SourceCounts(front.sources, plan, front.now)
    measure = config.measure.Measure("auth-failures", 600.0)
    assert known.count(measure)(bytes([127, 0, 0, 2])) == 1.0
    assert known.count(measure)(bytes([127, 0, 0, 3])) == 0.0
    assert known.count(evolve(measure, counted="source-connections", seconds=0.0))(bytes([127, 0, 0, 2])) == 1.0


def test_nothing_is_counted_unless_it_is_wanted() -> None:
    settings = settings_with(Limits(), FrontendLimits())
    table = Table(1000)
    assert make_gate(settings, settings.frontends[0], Sources((table,), table), partial(float, START)) is None


def test_session_that_was_let_in_before_a_table_was_there_leaves_quietly(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    client.break_off()
    bench.until(lambda: not bench.frontend.sessions)
    assert bench.over()["termination"]


def test_rejected_client_is_not_counted_as_another_one() -> None:
    settings, table = settings_with(Limits(source_connections=1), FrontendLimits()), Table(1000)
    gate = make_gate(settings, settings.frontends[0], Sources((table,), table), lambda: 1000.0)
    assert gate is not None
    source = ip_address(ONE).packed
    assert gate.judge(source) is None
    assert len(gate.take()) == 1
    assert gate.judge(source) is not None
    assert gate.take() == ()
