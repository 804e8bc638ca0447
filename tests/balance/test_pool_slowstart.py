"""Servers that come back gently."""

from math import inf

import pytest

from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from tests.balance.builders import checked, pool, server


def returning(slowstart: float = 100.0) -> tuple[Pool[PoolServer], PoolServer]:
    """A pool of two with a, that came up at 1000, and b."""
    a = checked("a", slowstart=slowstart, maxconn=1000)
    made = pool([a, server("b", maxconn=1000)], "roundrobin")
    made.failed(a, 900, "refused")
    made.passed(a, 1000)
    return made, a


def test_without_slowstart_nothing_is_due() -> None:
    assert pool([checked("a")]).refresh_at == inf


def test_nothing_is_due_at_start_up() -> None:
    assert pool([checked("a", slowstart=100)]).refresh_at == inf


def test_steps_are_due_twenty_times() -> None:
    made, a = returning()
    steps = 0
    while made.refresh_at < inf:
        made.refresh(made.refresh_at)
        steps += 1
    assert (steps, a.share, a.places) == (20, 100, 1000)


def test_steps_of_a_very_short_slowstart_do_not_come_fast() -> None:
    made, _ = returning(slowstart=0.1)
    assert made.refresh_at == 1000.05


def test_step_that_is_due_is_taken_when_somebody_picks() -> None:
    made, a = returning()
    made.pick(b"", (), 1004)
    assert a.share == 5
    made.pick(b"", (), 1050)
    assert a.share == 50


def test_server_that_flaps_does_not_hold_up_anothers_slowstart() -> None:
    made, a = returning()
    b = made.servers[1]
    for now in range(1001, 1051):
        made.set_state(b, "drain" if now % 2 else "ready", now)
    assert a.share == 50


def test_share_of_the_sessions_grows() -> None:
    made, a = returning()
    made.refresh(1025)
    for _ in range(100):
        made.pick(b"", (), 1025)
    assert a.sessions == pytest.approx(20, abs=1)


def test_server_that_goes_down_during_slowstart_ends_it() -> None:
    made, a = returning()
    made.failed(a, 1010, "refused")
    assert made.refresh_at == inf
