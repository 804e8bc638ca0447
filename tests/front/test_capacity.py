"""How many sessions there may be at once."""

from __future__ import annotations

import pytest

from tests.session.bench import Bench
from tests.session.conftest import MakeBench
from tests.transport.relay import is_ready


@pytest.fixture(params=["maxconn", "total"])
def full(request: pytest.FixtureRequest, make: MakeBench) -> Bench:
    """A frontend that has its two sessions, and one client more."""
    bench = make(**{request.param: 2})
    for _ in range(2):
        bench.relay()
    bench.client()
    bench.settle()
    return bench


def test_clients_beyond_the_bound_wait(full: Bench) -> None:
    assert len(full.frontend.sessions) == 2
    assert not full.server.is_asked


def test_waiting_clients_cost_nothing(full: Bench) -> None:
    assert not is_ready(full.poller)


def test_next_client_is_served_when_a_session_ends(full: Bench) -> None:
    client, server = full.peers[:2]
    client.break_off()
    full.until(lambda: server.fin or server.reset)
    full.relay(full.peers[4])
    assert len(full.frontend.sessions) == 2


def test_sessions_are_counted_in_and_out(make: MakeBench) -> None:
    bench = make()
    client, _ = bench.relay()
    assert (bench.capacity.live, bench.total.live) == (1, 1)
    client.break_off()
    bench.over()
    assert (bench.capacity.live, bench.total.live) == (0, 0)


def test_one_bound_does_not_lift_another(make: MakeBench) -> None:
    bench = make(maxconn=1, total=1)
    client, _ = bench.relay()
    bench.client()
    bench.settle()
    assert len(bench.frontend.sessions) == 1
    client.break_off()
    bench.until(lambda: bench.server.is_asked)
    assert len(bench.frontend.sessions) == 1
