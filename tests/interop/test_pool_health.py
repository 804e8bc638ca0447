"""Servers of a pool that go down and come up: what clients, sessions and the log notice of it."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from tests.interop.conftest import StartPool
from tests.interop.pool import INTER, RISE, SOON, Client, Pool
from tests.interop.ports import is_listening
from tests.interop.recorder import close_at_once, echo
from tests.interop.test_bad_backends import REFUSALS
from tests.interop.waiting import until

ERROR_LIMIT = 3
DEFAULT_ERROR_LIMIT = 10
# A session that was silent for so long is between two commands, for all that anybody can tell without reading it.
QUIET_SECONDS = 1.2
NEVER = "1m"  # between checks, where a check must not decide


def test_without_a_server_clients_are_answered_at_once_and_the_frontend_stays(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}})
    started.turn_off("a", "b")
    for _ in range(3):
        began = time.monotonic()
        with started.client() as client:
            assert client.rest().startswith(REFUSALS["imap"])
        assert time.monotonic() - began < SOON
    assert is_listening(started.port)
    assert len(started.front.all_events(event="no-server", backend="pool")) == 1


def test_recovery_is_picked_up_by_the_next_checks(pool: StartPool) -> None:
    started = pool({"a": {}})
    started.turn_off("a")
    began = time.monotonic()
    started.turn_on("a")
    assert time.monotonic() - began < RISE * INTER + SOON
    with started.client() as client:
        assert client.server == "a"


def test_server_that_begins_down_gets_nobody_before_its_check_has_passed(pool: StartPool) -> None:
    started = pool({"a": {"init-state": "down"}}, off=["a"])
    with started.client() as client:
        assert client.rest().startswith(REFUSALS["imap"])
    started.turn_on("a")
    with started.client() as client:
        assert client.server == "a"


def test_server_that_begins_up_gets_clients_before_its_first_check(pool: StartPool) -> None:
    started = pool({"a": {"check": {"inter": NEVER}}})
    with started.client() as client:
        assert client.server == "a"


def test_server_that_begins_up_goes_down_by_its_first_failed_check(pool: StartPool) -> None:
    started = pool({"a": {}}, off=["a"])
    down = started.until("a", "down")
    assert "refused" in down["reason"]


def test_log_has_one_line_for_each_change_of_a_flapping_server(pool: StartPool) -> None:
    started = pool({"a": {}, "steady": {}})
    for _ in range(4):
        started.turn_off("a")
        started.turn_on("a")
    assert [event["state"] for event in started.front.events(event="server")] == ["down", "up"] * 4


def test_line_of_a_change_has_the_reason_and_the_servers_left(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {}, "c": {"backup": True}})
    with started.client() as first, started.client() as second:
        servers = {first.server, second.server}
        assert servers == {"a", "b"}
        started.turn_off("a")
        (down,) = started.changes("a", "down")
    expected: Mapping[str, Any] = {
        "backend": "pool",
        "server": "a",
        "protocol": "imap",
        "active": 1,
        "backups": 1,
        "sessions": 1,
        "queued": 0,
    }
    assert expected.items() <= down.items()
    assert "refused" in down["reason"]


def lose(started: Pool, protocol: str) -> tuple[Client, bytes]:
    """A client whose server goes down, and the goodbye that it gets."""
    with started.client() as client:
        assert client.server == "a"
        assert client.has_to_wait(QUIET_SECONDS)
        started.switches["a"].turn_off()
        return client, client.rest()


# What may be said in the middle of a session: IMAP has an untagged BYE at any time (RFC 9051 section 7.1.5), SMTP its
# 421 before it closes (RFC 5321 section 3.8), ManageSieve its BYE (RFC 5804 section 1.2). POP3 has only answers.
@pytest.mark.parametrize(
    ("protocol", "goodbye"),
    [("imap", b"* BYE"), ("pop3", b""), ("lmtp", b"421 "), ("submission", b"421 "), ("managesieve", b"BYE")],
)
def test_sessions_of_a_server_that_goes_down_are_ended_if_so_configured(
    pool: StartPool, protocol: str, goodbye: bytes
) -> None:
    started = pool({"a": {"on-marked-down": "shutdown-sessions"}}, protocol=protocol)
    client, reported = lose(started, protocol)
    assert reported.startswith(goodbye)
    assert reported.count(b"\r\n") == bool(goodbye)
    assert started.front.session(client.address)["termination"].startswith("D")


def test_sessions_of_a_server_that_goes_down_continue_otherwise(pool: StartPool) -> None:
    started = pool({"a": {}})
    with started.client() as client:
        assert client.server == "a"
        started.turn_off("a")
        assert client.is_answered()
        started.turn_on("a")
        assert client.is_answered()


def test_sessions_of_other_servers_continue(pool: StartPool) -> None:
    started = pool({"a": {"on-marked-down": "shutdown-sessions"}, "b": {"on-marked-down": "shutdown-sessions"}})
    with started.client() as first, started.client() as second:
        clients = {first.server: first, second.server: second}
        assert first.has_to_wait(QUIET_SECONDS)
        started.turn_off("a")
        assert clients["a"].rest().startswith(b"* BYE")
        assert clients["b"].is_answered()


def test_sessions_of_backups_are_ended_when_the_server_is_back_if_so_configured(pool: StartPool) -> None:
    started = pool({"a": {"on-marked-up": "shutdown-backup-sessions"}, "b": {"backup": True}})
    started.turn_off("a")
    with started.client() as client:
        assert client.server == "b"
        assert client.has_to_wait(QUIET_SECONDS)
        started.turn_on("a")
        assert client.rest().startswith(b"* BYE")
    assert started.front.session(client.address)["termination"].startswith("U")
    with started.client() as client:
        assert client.server == "a"


def test_sessions_of_backups_continue_otherwise(pool: StartPool) -> None:
    started = pool({"a": {}, "b": {"backup": True}})
    started.turn_off("a")
    with started.client() as client:
        assert client.server == "b"
        started.turn_on("a")
        assert client.is_answered()


def test_server_that_comes_back_gets_its_clients_gently(pool: StartPool) -> None:
    started = pool({"back": {"slowstart": "2s"}, "steady": {}}, balance="roundrobin")
    assert started.spread(["127.0.0.1"] * 10)["back"] == 5  # not at start-up
    started.turn_off("back")
    started.turn_on("back")
    began = datetime.fromisoformat(started.until("back", "up")["time"]).timestamp()
    early = started.spread(["127.0.0.1"] * 20)["back"]
    share = (time.time() - began) / 2
    assert early <= 20 * share + 2
    until(lambda: started.spread(["127.0.0.1"] * 40)["back"] == 20, "an equal share")
    assert time.time() - began > 1.2


def closing(pool: StartPool, **bad: Any) -> Pool:
    """A good server, and one that closes every session before its greeting although its checks pass."""
    check = {"inter": NEVER, "fastinter": "50ms"} | bad.pop("check", {})
    keys = {key.replace("_", "-"): value for key, value in bad.items()}
    return pool(
        {"bad": {"error-limit": ERROR_LIMIT, "check": check, **keys}, "good": {}},
        balance="roundrobin",
        behaviours={"bad": close_at_once},
    )


def visit(started: Pool, errors: int) -> None:
    """Connect clients from different addresses until enough have failed at the bad server; all get the good one."""
    for number in range(2 * errors):
        if len(started.recorders["bad"].connections) == errors:
            return
        with started.client(f"127.0.1.{len(started.recorders['bad'].connections) * 10 + number + 1}") as client:
            assert client.server == "good"


def test_sessions_that_die_before_the_greeting_mark_a_server_down(pool: StartPool) -> None:
    started = closing(pool, on_error="mark-down")
    visit(started, ERROR_LIMIT - 1)
    assert not started.all_changes("bad", "down")
    visit(started, ERROR_LIMIT)
    assert "greeting" in started.until("bad", "down")["reason"]


def test_server_marked_down_for_its_sessions_comes_up_by_its_checks(pool: StartPool) -> None:
    started = closing(pool, on_error="mark-down")
    visit(started, ERROR_LIMIT)
    started.until("bad", "up")
    assert len(started.all_changes("bad", "down")) == 1


def test_sessions_that_die_count_as_a_failed_check(pool: StartPool) -> None:
    started = closing(pool, on_error="fail-check", check={"fall": 1})
    visit(started, ERROR_LIMIT)
    started.until("bad", "down")


def test_one_failed_check_is_not_enough_to_be_down(pool: StartPool) -> None:
    started = closing(pool, on_error="fail-check", init_state="fully-up")
    switch = started.switches["bad"]
    before = len(switch.visits)
    visit(started, ERROR_LIMIT)
    until(lambda: len(switch.visits) > before, "the check after fastinter")
    assert not started.all_changes("bad", "down")


def test_sessions_that_die_bring_the_next_check_soon(pool: StartPool) -> None:
    started = closing(pool, on_error="fastinter", check={"fall": 1})
    switch = started.switches["bad"]
    before = len(switch.visits)
    began = time.monotonic()
    visit(started, ERROR_LIMIT)
    until(lambda: len(switch.visits) > before, "a check")
    assert time.monotonic() - began < SOON
    assert not started.all_changes("bad", "down")


def test_sessions_of_one_client_that_die_do_not_mark_a_server_down(pool: StartPool) -> None:
    started = closing(pool, on_error="mark-down")
    while len(started.recorders["bad"].connections) < 2 * ERROR_LIMIT:
        with started.client() as client:
            assert client.server == "good"
    assert not started.all_changes("bad", "down")


def test_sessions_that_die_do_not_matter_if_they_are_not_observed(pool: StartPool) -> None:
    servers = {"bad": {"observe": "none"}, "good": {}}
    started = pool(servers, balance="roundrobin", behaviours={"bad": close_at_once})
    visit(started, 2 * DEFAULT_ERROR_LIMIT)
    assert not started.all_changes("bad", "down")


# How a Dovecot whose authentication process does not start greets.
@pytest.mark.parametrize(
    ("protocol", "refusal"),
    [
        ("imap", b"* BYE Auth process broken\r\n"),
        ("pop3", b"-ERR Auth process broken\r\n"),
        ("submission", b"421 4.3.2 backend.test Auth process broken\r\n"),
        ("lmtp", b"421 4.3.2 backend.test Shutting down\r\n"),
        ("managesieve", b'BYE (TRYLATER) "Auth process broken"\r\n'),
    ],
)
def test_server_that_refuses_instead_of_greeting_is_left_to_its_checks(
    pool: StartPool, protocol: str, refusal: bytes
) -> None:
    bad = {"error-limit": ERROR_LIMIT, "on-error": "mark-down", "check": {"inter": NEVER}}
    started = pool({"bad": bad, "good": {}}, protocol=protocol, balance="roundrobin", behaviours={"bad": echo(refusal)})
    visit(started, 2 * ERROR_LIMIT)
    assert not started.all_changes("bad", "down")
