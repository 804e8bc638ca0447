"""The counter of checks, and errors of sessions."""

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.balance.health import Health, InitState, OnError


@frozen
class Intervals:
    inter: float = 2.0
    fastinter: float | None = 1.0
    downinter: float | None = 5.0


@pytest.mark.parametrize(
    ("init_state", "is_up", "counts"),
    [("up", True, "1/3"), ("fully-up", True, "3/3"), ("down", False, "1/2"), ("fully-down", False, "0/2")],
)
def test_beginning_is_configured(init_state: InitState, is_up: bool, counts: str) -> None:
    health = Health(init_state=init_state)
    assert (health.is_up, health.counts) == (is_up, counts)


def test_server_that_was_never_checked_goes_down_by_one_failure() -> None:
    assert Health(init_state="up").failed(7, "refused") == "down"


def test_server_that_awaits_one_check_comes_up_by_it() -> None:
    assert Health(init_state="down").passed(7) == "up"


def test_fall_failures_in_a_row_mark_down() -> None:
    health = Health(fall=3, init_state="fully-up")
    assert [health.failed(now, "refused") for now in range(4)] == [None, None, "down", None]


def test_rise_passes_in_a_row_mark_up() -> None:
    health = Health(rise=2, init_state="fully-down")
    assert [health.passed(now) for now in range(3)] == [None, "up", None]


def test_one_pass_makes_good_what_failed() -> None:
    health = Health(fall=3, init_state="fully-up")
    health.failed(0, "refused")
    health.failed(1, "refused")
    health.passed(2)
    assert health.counts == "3/3"


def test_time_of_the_last_check_is_known() -> None:
    health = Health()
    assert health.checked is None
    health.passed(3)
    assert health.checked == 3
    health.failed(4, "refused")
    assert health.checked == 4


def test_one_failure_takes_all_that_passed_while_down() -> None:
    health = Health(rise=3, init_state="fully-down")
    health.passed(0)
    health.passed(1)
    health.failed(2, "refused")
    assert health.counts == "0/3"


def test_server_that_comes_up_has_all_its_chances() -> None:
    health = Health(fall=3, init_state="down")
    health.passed(0)
    assert health.counts == "3/3"


def test_what_happened_is_remembered() -> None:
    health = Health(init_state="up")
    health.passed(1, "* OK ready")
    health.failed(2, "refused")
    health.failed(3, "refused")
    health.failed(4, "* BYE not now")
    assert (health.checks, health.failures, health.downtimes) == (4, 3, 1)
    assert (health.reason, health.since) == ("* BYE not now", 4)


def test_since_is_when_the_state_changed() -> None:
    health = Health(rise=1, fall=1)
    assert health.since is None
    health.failed(3, "refused")
    health.failed(5, "refused")
    assert health.since == 3


@pytest.mark.parametrize(
    ("init_state", "seconds"), [("fully-up", 2.0), ("up", 1.0), ("down", 1.0), ("fully-down", 5.0)]
)
def test_interval_depends_on_how_certain_the_state_is(init_state: InitState, seconds: float) -> None:
    assert Health(init_state=init_state).interval(Intervals()) == seconds


@pytest.mark.parametrize("init_state", ["fully-up", "up", "down", "fully-down"])
def test_interval_is_inter_without_others(init_state: InitState) -> None:
    assert Health(init_state=init_state).interval(Intervals(fastinter=None, downinter=None)) == 2.0


def test_restart_begins_again() -> None:
    health = Health(init_state="up")
    health.failed(0, "refused")
    health.restart()
    assert health.counts == "1/3"


@pytest.mark.parametrize(("on_error", "advice"), [("fastinter", "soon"), ("fail-check", "fail"), ("mark-down", "down")])
def test_errors_of_sessions_have_the_configured_consequence(on_error: OnError, advice: str) -> None:
    health = Health(error_limit=3, on_error=on_error)
    assert [health.observed_error() for _ in range(6)] == ["nothing", "nothing", advice] * 2


def test_session_that_came_through_ends_the_row_of_errors() -> None:
    health = Health(error_limit=2)
    health.observed_error()
    health.observed_success()
    assert health.observed_error() == "nothing"


def test_errors_of_sessions_with_a_server_that_is_down_do_not_count() -> None:
    health = Health(error_limit=1)
    health.failed(0, "refused")
    assert health.observed_error() == "nothing"


def test_errors_before_it_was_down_do_not_count_after() -> None:
    health = Health(rise=1, error_limit=2)
    health.observed_error()
    health.mark_down(0, "refused")
    health.passed(1)
    assert health.observed_error() == "nothing"


def test_mark_down_says_so_once() -> None:
    health = Health()
    assert [health.mark_down(0, "refused"), health.mark_down(1, "refused")] == ["down", None]


@given(
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
    init_state=st.sampled_from(["up", "down", "fully-up", "fully-down"]),
    checks=st.lists(st.booleans(), max_size=40),
)
def test_every_transition_is_reported_once(rise: int, fall: int, init_state: InitState, checks: list[bool]) -> None:
    health = Health(rise=rise, fall=fall, init_state=init_state)
    for now, is_good in enumerate(checks):
        was_up = health.is_up
        reported = health.passed(now) if is_good else health.failed(now, "refused")
        assert reported == (None if health.is_up == was_up else "up" if health.is_up else "down")
        assert 0 <= health.score <= rise + fall - 1


@given(rise=st.integers(1, 5), fall=st.integers(1, 5), checks=st.lists(st.booleans(), max_size=40))
def test_state_changes_only_by_enough_checks_in_a_row(rise: int, fall: int, checks: list[bool]) -> None:
    health = Health(rise=rise, fall=fall, init_state="fully-up")
    is_up, against = True, 0
    for now, is_good in enumerate(checks):
        against = 0 if is_good == is_up else against + 1
        if against == (fall if is_up else rise):
            is_up, against = not is_up, 0
        if is_good:
            health.passed(now)
        else:
            health.failed(now, "refused")
        assert health.is_up == is_up


# Errors that a client may have provoked.


def test_one_source_counts_once_however_often_it_fails() -> None:
    health = Health(error_limit=2, on_error="mark-down")
    assert [health.observed_error(b"a") for _ in range(10)] == ["nothing"] * 10
    assert health.errors == 1


def test_different_sources_count_each() -> None:
    health = Health(error_limit=3, on_error="mark-down")
    assert [health.observed_error(source) for source in (b"a", b"b", b"a", b"c")] == ["nothing"] * 3 + ["down"]


def test_error_that_no_client_provokes_counts_each_time() -> None:
    health = Health(error_limit=2, on_error="mark-down")
    assert [health.observed_error(), health.observed_error()] == ["nothing", "down"]


@pytest.mark.parametrize("way", ["success", "limit", "down", "restart"])
def test_source_counts_again_when_errors_are_forgotten(way: str) -> None:
    health = Health(error_limit=2)
    health.observed_error(b"a")
    if way == "success":
        health.observed_success()
    elif way == "limit":
        health.observed_error(b"b")
        health.passed(1)
        health.passed(2)
    elif way == "down":
        health.mark_down(1, "refused")
        health.passed(2)
        health.passed(3)
    else:
        health.restart()
    assert health.errors == 0
    health.observed_error(b"a")
    assert health.errors == 1
