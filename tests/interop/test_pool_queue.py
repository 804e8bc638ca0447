"""Servers with a limit on sessions: further clients wait in a queue, with limits on time and number."""

import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from tests.interop.conftest import StartPool
from tests.interop.pool import CONNECT, SOON
from tests.interop.test_bad_backends import REFUSALS

QUEUE_SECONDS = 0.3
LONG = {"connect": CONNECT, "queue": "2m"}
SHORT = {"connect": CONNECT, "queue": f"{QUEUE_SECONDS * 1000:.0f}ms"}


def test_client_waits_until_another_leaves(pool: StartPool) -> None:
    started = pool({"only": {"maxconn": 1}}, checked=False, timeout=LONG)
    with started.client() as first, started.client() as second:
        assert first.server == "only"
        assert second.has_to_wait(0.2)
        first.leave()
        assert second.server == "only"
        assert second.is_answered()


def test_clients_get_their_turn_in_the_order_in_which_they_came(pool: StartPool) -> None:
    started = pool({"only": {"maxconn": 1}}, checked=False, timeout=LONG)
    with ExitStack() as stack:
        clients = [stack.enter_context(started.client()) for _ in range(4)]
        for current, later in pairwise(clients):
            assert current.server == "only"
            assert later.has_to_wait(0.05)
            current.leave()
        assert clients[-1].server == "only"


def test_client_that_gives_up_waiting_keeps_nobody_waiting(pool: StartPool) -> None:
    started = pool({"only": {"maxconn": 1}}, checked=False, timeout=LONG)
    with started.client() as first, started.client() as second, started.client() as third:
        assert first.server == "only"
        assert third.has_to_wait(0.1)
        second.leave()
        first.leave()
        assert third.server == "only"


@pytest.mark.parametrize("protocol", ["imap", "pop3", "lmtp", "submission", "managesieve"])
def test_client_that_waited_too_long_gets_the_temporary_failure_of_its_protocol(pool: StartPool, protocol: str) -> None:
    started = pool({"only": {"maxconn": 1}}, protocol=protocol, checked=False, timeout=SHORT)
    with started.client() as first:
        assert first.server == "only"
        began = time.monotonic()
        with started.client() as second:
            answer = second.rest()
            assert QUEUE_SECONDS <= time.monotonic() - began < QUEUE_SECONDS + SOON
        assert answer.startswith(REFUSALS[protocol])
        assert answer.count(b"\r\n") == 1
        assert started.front.session(second.address)["termination"] == "sQ"
        assert first.is_answered()


def test_client_who_finds_the_queue_full_is_answered_at_once(pool: StartPool) -> None:
    started = pool({"only": {"maxconn": 1}}, checked=False, timeout=LONG, maxqueue=1)
    with started.client() as first, started.client() as second:
        assert first.server == "only"
        assert second.has_to_wait(0.1)
        began = time.monotonic()
        with started.client() as third:
            assert third.rest().startswith(REFUSALS["imap"])
        assert time.monotonic() - began < SOON
        first.leave()
        assert second.server == "only"


def test_who_waits_goes_to_the_server_that_comes_up(pool: StartPool) -> None:
    started = pool({"full": {"maxconn": 1}, "back": {}}, timeout=LONG)
    started.turn_off("back")
    with started.client() as first, started.client() as second:
        assert first.server == "full"
        assert second.has_to_wait(0.1)
        started.turn_on("back")
        assert second.server == "back"


def test_client_that_waits_is_answered_at_once_when_the_last_server_goes_down(pool: StartPool) -> None:
    started = pool({"only": {"maxconn": 1}}, timeout=LONG)
    with started.client() as first, started.client() as second:
        assert first.server == "only"
        assert second.has_to_wait(0.1)
        started.turn_off("only")
        began = time.monotonic()
        assert second.rest().startswith(REFUSALS["imap"])
        assert time.monotonic() - began < SOON
        assert first.is_answered()


def test_a_server_never_has_more_sessions_than_its_maxconn(pool: StartPool) -> None:
    started = pool({"a": {"maxconn": 2}, "b": {"maxconn": 1}}, checked=False, timeout=LONG)
    with ExitStack() as stack:
        clients = [stack.enter_context(started.client()) for _ in range(6)]
        inside, waiting = [client.server for client in clients[:3]], clients[3:]
        assert sorted(inside) == ["a", "a", "b"]
        assert not any(not client.has_to_wait(0.05) for client in waiting)
        for client in clients[:3]:
            client.leave()
        assert sorted(client.server for client in waiting) == ["a", "a", "b"]
