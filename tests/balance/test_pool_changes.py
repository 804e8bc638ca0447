"""Changes by checks, sessions, admins and agents, and the notices of them."""

import pytest

from mailproxy.balance.change import Change
from mailproxy.balance.health import Health, OnError
from mailproxy.balance.pool_server import PoolServer
from tests.balance.builders import Client, Recorder, checked, pool, server


def observed(on_error: OnError, fall: int = 3) -> PoolServer:
    return server(health=Health(rise=1, fall=fall, init_state="fully-up", error_limit=2, on_error=on_error))


def test_change_has_everything_for_a_line_of_the_log() -> None:
    reported = Recorder()
    servers = [a := checked("a", maxconn=1), server("b", maxconn=1), server("c", backup=True)]
    made = pool(servers, on_change=reported)
    made.pick(b"", (), 0)
    made.pick(b"", (), 0)
    made.enqueue(Client(), b"", ())
    made.failed(a, 7, "greeting: connection refused")
    assert reported.changes == [
        Change(
            pool="dovecot",
            server=a,
            event="down",
            reason="greeting: connection refused",
            active=1,
            backup=1,
            sessions=1,
            queued=1,
        )
    ]


def test_flapping_server_makes_one_change_per_change() -> None:
    reported = Recorder()
    made = pool([a := checked("a", rise=2, fall=2), server("b")], on_change=reported)
    for now, is_good in enumerate([True, False, False, False, True, False, True, True, True, False, False]):
        if is_good:
            made.passed(a, now)
        else:
            made.failed(a, now, "refused")
    assert reported.events == ["a down", "a up", "a down"]


def test_last_server_that_goes_is_distinguished() -> None:
    reported = Recorder()
    made = pool([a := checked("a"), b := checked("b", backup=True)], on_change=reported)
    made.failed(a, 0, "refused")
    made.failed(b, 0, "* BYE")
    made.passed(b, 1)
    assert reported.events == ["a down", "b down", "b no-server", "b up"]
    assert [change.reason for change in reported.changes] == ["refused", "* BYE", "* BYE", ""]


def test_last_server_is_missed_once_even_if_it_goes_while_another_is_reported() -> None:
    events: list[str] = []

    def on_change(change: Change[PoolServer]) -> None:
        events.append(f"{change.server.name} {change.event}")
        if events == ["a down"]:
            made.set_state(b, "maint", 0)

    made = pool([a := checked("a"), b := server("b")], on_change=on_change)
    made.failed(a, 0, "refused")
    assert events == ["a down", "b maint", "b no-server"]


def test_checks_of_an_unchecked_server_change_nothing() -> None:
    reported = Recorder()
    made = pool([a := server("a")], on_change=reported)
    made.failed(a, 0, "refused")
    made.passed(a, 1)
    made.observed_success(a)
    assert not made.observed_error(a, 1, "refused")
    assert reported.events == []


@pytest.mark.parametrize(
    ("on_error", "events"),
    [("fastinter", []), ("fail-check", ["a down", "a no-server"]), ("mark-down", ["a down", "a no-server"])],
)
def test_errors_of_sessions_have_consequences(on_error: OnError, events: list[str]) -> None:
    reported = Recorder()
    made = pool([a := observed(on_error, fall=1)], on_change=reported)
    assert [made.observed_error(a, now, "refused") for now in range(2)] == [False, True]
    assert reported.events == events


def test_errors_of_sessions_count_as_one_failed_check() -> None:
    made = pool([a := observed("fail-check")])
    for now in range(2):
        made.observed_error(a, now, "refused")
    assert a.health is not None
    assert (a.is_up, a.health.counts, a.health.reason) == (True, "2/3", "refused")


def test_errors_of_sessions_take_the_server_down_at_once_if_configured() -> None:
    made = pool([a := observed("mark-down")])
    for now in range(2):
        made.observed_error(a, now, "refused")
    assert not a.is_up


def test_session_that_came_through_is_counted() -> None:
    made = pool([a := observed("mark-down")])
    made.observed_error(a, 0, "refused")
    made.observed_success(a)
    made.observed_error(a, 1, "refused")
    assert a.is_up


def test_states_are_reported_once() -> None:
    reported = Recorder()
    made = pool([a := server("a"), server("b")], on_change=reported)
    for state in ("ready", "drain", "drain", "maint", "maint", "ready"):
        made.set_state(a, state, 0, "by hand")
    assert reported.events == ["a drain", "a maint", "a ready"]


def test_agent_that_repeats_the_admin_changes_nothing() -> None:
    reported = Recorder()
    made = pool([a := server("a"), server("b")], on_change=reported)
    made.set_state(a, "maint", 0)
    made.set_agent_state(a, "drain", 1)
    made.set_agent_state(a, "ready", 2)
    assert reported.events == ["a maint"]


def test_agent_that_is_ready_does_not_overrule_the_admin() -> None:
    made = pool([a := server("a")])
    made.set_state(a, "drain", 0)
    made.set_agent_state(a, "ready", 1)
    assert not a.is_usable


def test_agent_that_drains_is_obeyed() -> None:
    made = pool([a := server("a")])
    made.set_agent_state(a, "drain", 0)
    assert made.is_empty


def test_health_begins_again_after_maintenance() -> None:
    made = pool([a := server(health=Health(rise=2, fall=2))])
    made.failed(a, 0, "refused")
    made.set_state(a, "maint", 1)
    made.set_state(a, "ready", 2)
    assert a.health is not None
    assert (a.is_up, a.health.counts) == (True, "1/2")


def test_health_continues_after_draining() -> None:
    made = pool([a := checked()])
    made.set_state(a, "drain", 0)
    made.failed(a, 1, "refused")
    made.set_state(a, "ready", 2)
    assert not a.is_up


def test_weight_is_reported_when_it_changes() -> None:
    reported = Recorder()
    made = pool([a := server("a", weight=100)], on_change=reported)
    for weight in (100, 75, 75, 100):
        made.set_weight(a, weight, 0, "agent: 75%")
    assert reported.events == ["a weight", "a weight"]


def test_weight_0_drains() -> None:
    made = pool([a := server("a"), server("b")], "source")
    made.set_weight(a, 0, 0)
    assert {made.pick(b"%d" % client, (), 0) for client in range(20)} == {made.servers[1]}


def test_places_are_reported_when_they_change() -> None:
    reported = Recorder()
    made = pool([a := server("a", maxconn=5)], on_change=reported)
    for maxconn in (5, 3, 3, 0):
        made.set_maxconn(a, maxconn, 0)
    assert reported.events == ["a maxconn", "a maxconn"]


def test_backup_that_becomes_active_serves() -> None:
    reported = Recorder()
    made = pool([a := server("a"), b := server("b", backup=True)], on_change=reported)
    made.set_backup(a, True, 0)
    made.set_backup(b, False, 0)
    made.set_backup(b, False, 0)
    assert made.pick(b"", (), 0) is b
    assert reported.events == ["a backup", "b active"]


def test_addresses_are_reported_when_they_change() -> None:
    reported = Recorder()
    made = pool([a := server("a", target=None), server("b")], on_change=reported)
    for target in (None, "192.0.2.1", "192.0.2.1", "192.0.2.2", None):
        made.set_target(a, target, 0)
    assert reported.events == ["a address", "a address", "a no-address"]


def test_server_without_an_address_gets_sessions_when_it_has_one() -> None:
    made = pool([a := server("a", target=None)])
    assert made.pick(b"", (), 0) is None
    made.set_target(a, "192.0.2.1", 1)
    assert made.pick(b"", (), 1) is a


def test_health_begins_again_when_a_server_has_an_address_again() -> None:
    made = pool([a := server(health=Health(rise=2, fall=2))])
    made.failed(a, 0, "refused")
    made.set_target(a, None, 1)
    made.set_target(a, "192.0.2.2", 2)
    assert a.is_up


def test_health_continues_when_the_address_changes() -> None:
    made = pool([a := checked()])
    made.failed(a, 0, "refused")
    made.set_target(a, "192.0.2.2", 1)
    assert not a.is_up


def test_listener_may_end_the_sessions_of_a_server_that_went_down() -> None:
    def on_change(change: Change[PoolServer]) -> None:
        while change.server.sessions:
            made.leave(change.server, 0)

    made = pool([a := checked("a", maxconn=2), b := server("b", maxconn=1)], on_change=on_change)
    for _ in range(3):
        made.pick(b"", (), 0)
    made.enqueue(client := Client(), b"", ())
    made.failed(a, 0, "refused")
    assert (a.sessions, b.sessions, client.received) == (0, 1, [])


# What a server says of itself.


def test_server_says_since_when_it_is_as_it_is_and_why() -> None:
    made = pool([a := checked("a"), server("b")])
    assert (a.condition, a.since, a.why) == ("up", None, "")
    made.failed(a, 7, "refused")
    assert (a.condition, a.since, a.why) == ("down", 7, "refused")
    made.passed(a, 8, "greeting")
    assert (a.condition, a.since, a.why) == ("up", 8, "greeting")
    made.set_state(a, "drain", 9, "by hand")
    assert (a.condition, a.since, a.why) == ("drain", 9, "by hand")
    made.set_target(a, None, 10, "NXDOMAIN")
    assert (a.condition, a.since, a.why) == ("no-address", 10, "NXDOMAIN")
    made.set_state(a, "maint", 11, "by hand")
    assert (a.condition, a.since, a.why) == ("maint", 11, "by hand")


def test_change_that_leaves_a_server_as_it_is_has_no_time() -> None:
    made = pool([a := checked("a"), server("b")])
    made.failed(a, 7, "refused")
    made.set_weight(a, 3, 9, "by hand")
    made.set_state(a, "drain", 10, "by hand")
    assert (a.condition, a.since, a.why) == ("down", 7, "refused")
    made.set_state(a, "ready", 11, "by hand")
    made.passed(a, 12, "greeting")
    assert (a.condition, a.since, a.why) == ("up", 12, "greeting")
