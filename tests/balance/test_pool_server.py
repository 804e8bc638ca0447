"""What one server may take."""

import pytest

from mailproxy.balance.health import Health
from mailproxy.balance.pool_server import UNLIMITED, PoolServer, ServerState
from tests.balance.builders import checked, server


def settled(made: PoolServer, now: float = 0.0) -> PoolServer:
    made.settle(now)
    return made


def test_share_is_the_weight() -> None:
    assert settled(server(weight=7)).share == 7


def test_without_maxconn_there_is_no_limit() -> None:
    assert settled(server()).places == UNLIMITED


def test_places_are_maxconn() -> None:
    assert settled(server(maxconn=5)).places == 5


def test_room_ends_with_the_last_place() -> None:
    made = settled(server(maxconn=1))
    assert made.has_room
    made.sessions = 1
    assert not made.has_room


def test_server_without_an_address_is_not_usable() -> None:
    assert not settled(server(target=None)).is_usable


def test_server_without_weight_is_not_usable() -> None:
    assert not settled(server(weight=0)).is_usable


def test_server_that_is_down_is_not_usable() -> None:
    made = checked()
    assert made.health is not None
    made.health.mark_down(0, "refused")
    assert not settled(made).is_usable


@pytest.mark.parametrize(
    ("admin", "agent", "effective"),
    [
        ("ready", "ready", "ready"),
        ("drain", "ready", "drain"),
        ("ready", "drain", "drain"),
        ("maint", "drain", "maint"),
        ("drain", "maint", "maint"),
    ],
)
def test_more_severe_of_admin_and_agent_counts(admin: ServerState, agent: ServerState, effective: str) -> None:
    made = server(state=admin)
    made.agent_state = agent
    assert settled(made).effective_state == effective
    assert made.is_usable == (effective == "ready")


def ramping() -> PoolServer:
    """A server that came back at 1000."""
    made = settled(server(slowstart=100, weight=200, maxconn=40))
    made.state = "maint"
    made.settle(900)
    made.state = "ready"
    made.settle(1000)
    return made


def test_there_is_no_slowstart_at_start_up() -> None:
    made = settled(server(slowstart=100, weight=200, maxconn=40))
    assert (made.share, made.places) == (200, 40)


def test_slowstart_begins_with_its_first_step_and_a_place() -> None:
    made = ramping()
    assert (made.share, made.places) == (10, 1)


@pytest.mark.parametrize(("now", "share", "places"), [(1025, 50, 10), (1050, 100, 20), (1099, 198, 39)])
def test_slowstart_is_linear(now: float, share: float, places: int) -> None:
    made = ramping()
    made.ramp(now)
    assert (made.share, made.places) == (share, places)


def test_slowstart_ends() -> None:
    made = ramping()
    made.ramp(1100)
    assert (made.share, made.places, made.ramp_began) == (200, 40, None)


def test_change_during_slowstart_continues_where_it_was() -> None:
    made = ramping()
    made.asked_weight = 100
    made.settle(1050)
    assert made.share == 50


def test_drained_server_that_is_ready_again_has_no_slowstart() -> None:
    made = settled(server(slowstart=100, weight=200, state="drain"))
    made.state = "ready"
    made.settle(1)
    assert made.share == 200


def test_slowstart_begins_again_with_every_return() -> None:
    made = ramping()
    made.state = "maint"
    made.settle(1090)
    made.state = "ready"
    made.settle(1095)
    assert made.share == 10


def test_seed_is_odd_and_of_the_name() -> None:
    assert server("d1").seed == server("d1", weight=3, backup=True).seed
    assert server("d1").seed != server("d2").seed
    assert all(server(f"d{number}").seed % 2 for number in range(50))


# The server of a configuration that was read anew.


def test_health_continues_whatever_it_counts_now() -> None:
    before = settled(server(health=Health(rise=2, fall=3)))
    assert before.health is not None
    before.health.mark_down(7.0, "gone")
    after = server(health=Health(rise=4, fall=1))
    after.take_over(before)
    assert after.health is not None
    assert (after.is_up, after.health.since, after.health.reason, after.health.downtimes) == (False, 7.0, "gone", 1)


def test_asked_weight_and_maxconn_stay_unless_the_configuration_changes() -> None:
    before = settled(server(weight=100, maxconn=10))
    before.asked_weight, before.asked_maxconn, before.agent_state = 50.0, 5, "drain"
    same, other = server(weight=100, maxconn=10), server(weight=200, maxconn=20)
    same.take_over(before)
    other.take_over(before)
    assert (same.asked_weight, same.asked_maxconn, same.agent_state) == (50.0, 5, "drain")
    assert (other.asked_weight, other.asked_maxconn, other.agent_state) == (200, 20, "drain")


def test_since_when_and_why_continues() -> None:
    before = settled(server())
    before.since, before.why = 7.0, "by hand"
    after = server()
    after.take_over(before)
    assert (after.since, after.why) == (7.0, "by hand")


def test_server_that_continues_has_no_slowstart() -> None:
    before = settled(server(slowstart=100.0))
    after = server(slowstart=100.0, weight=50)
    after.take_over(before)
    after.settle(1.0)
    assert after.ramp_began is None
    assert after.share == 50
