"""Rates from differences of counters."""

from __future__ import annotations

import pytest

from mailproxy.session.counters import ERRORS
from mailproxy.top.rates import Rates
from mailproxy.top.sample import Row
from tests.top.rows import frontend, info, sample


def after(*counted: tuple[float, list[Row]]) -> Rates:
    rates = Rates()
    for at, rows in counted:
        rates.take(sample(at, frontends=rows))
    return rates


def test_one_sample_has_no_rate() -> None:
    rates = after((0.0, [frontend(connections=5)]))
    assert (rates.of("imaps", "connections"), rates.total("connections")) == (None, None)


def test_rate_is_a_difference_by_time() -> None:
    rates = after((0.0, [frontend(connections=5)]), (2.0, [frontend(connections=15)]))
    assert rates.of("imaps", "connections") == 5.0


def test_counters_are_added() -> None:
    rates = after((0.0, [frontend()]), (1.0, [frontend(handshake_errors=2, no_server=1)]))
    assert rates.of("imaps", *ERRORS) == 3.0


def test_total_is_of_all_frontends() -> None:
    rates = after(
        (0.0, [frontend("a"), frontend("b")]), (1.0, [frontend("a", bytes_in=10), frontend("b", bytes_in=20)])
    )
    assert rates.total("bytes_in") == 30.0


def test_old_samples_are_left_out() -> None:
    rates = after(*((float(at), [frontend(connections=1000 if at else 0)]) for at in range(10)))
    assert rates.of("imaps", "connections") == 0.0


def test_slow_samples_are_compared_with_the_one_before() -> None:
    rates = after((0.0, [frontend()]), (30.0, [frontend(connections=30)]), (60.0, [frontend(connections=90)]))
    assert rates.of("imaps", "connections") == 2.0


def test_rate_of_a_new_frontend_is_not_that_of_all_time() -> None:
    rates = after((0.0, [frontend("a")]), (1.0, [frontend("a"), frontend("b", connections=1000)]))
    assert (rates.of("b", "connections"), rates.total("connections")) == (0.0, 0.0)


def test_same_counters_again_do_not_lower_the_rate() -> None:
    rates = after((0.0, [frontend()]), (1.0, [frontend(connections=4)]), (1.0, [frontend(connections=4)]))
    assert rates.of("imaps", "connections") == 4.0


@pytest.mark.parametrize("pid", [8, None])
def test_other_process_begins_again(pid: int | None) -> None:
    rates = after((0.0, [frontend(connections=1000)]), (1.0, [frontend(connections=1000)]))
    rates.take(sample(2.0, info=[info(pid=pid)], frontends=[frontend(connections=1)]))
    assert rates.of("imaps", "connections") is None


def test_counters_that_go_back_are_no_negative_rate() -> None:
    assert after((0.0, [frontend(connections=9)]), (1.0, [frontend(connections=1)])).total("connections") == 0.0
