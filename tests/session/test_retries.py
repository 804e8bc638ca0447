"""Further attempts: with whom, when, how many, and what is logged of them."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from mailproxy.mail.refusal import REFUSALS
from mailproxy.session.dial import TURNAROUND_SECONDS
from mailproxy.transport.outgoing import Outgoing
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

CONNECT = 5.0
ONE_PLACE = {"maxconn": 1}


def ended(bench: Bench, client: Peer) -> dict[str, Any]:
    """Wait for a refusal, and return what is logged of it."""
    bench.until(lambda: client.fin)
    assert client.data == REFUSALS["imap"]
    client.end()
    return bench.over()


# With whom.


@pytest.mark.parametrize("balance", ["first", "leastconn", "roundrobin", "source", "random"])
def test_other_server_is_tried_first(make: MakeBench, balance: str) -> None:
    bench = make(servers=2, backend={"balance": balance})
    bench.client()
    bench.settle()
    tried = bench.taken.index(1)
    bench.servers[tried].accept().end()
    bench.servers[1 - tried].accept()
    assert bench.taken[tried] == 0


def test_every_server_is_tried_before_any_is_tried_again(make: MakeBench) -> None:
    bench = make(servers=3, backend={"retries": 3})
    bench.client()
    for number in (0, 1, 2, 0):
        server = bench.servers[number].accept()
        assert bench.taken[number] == 1
        server.end()


def test_server_that_was_tried_before_another_is_tried_again_at_once(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 2})
    client = bench.client()
    bench.servers[0].accept().end()
    bench.servers[1].accept().end()
    bench.servers[0].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_backup_is_not_tried_while_others_are_up(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 1})
    bench.pool.set_backup(bench.pool.servers[1], True, bench.poller.now)
    bench.client()
    bench.servers[0].accept().end()
    bench.settle()
    assert bench.taken == [1, 0]


# The same one, after a pause.


def test_same_server_is_tried_again_after_the_pause(make: MakeBench) -> None:
    bench = make(backend={"retries": 1})
    client = bench.client()
    bench.server.accept().end()
    bench.advance(TURNAROUND_SECONDS - 0.25)
    assert not bench.server.is_asked
    bench.advance(0.5)
    bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_attempt_after_the_pause_has_a_deadline_of_its_own(make: MakeBench) -> None:
    bench = make(backend={"retries": 1}, connect=CONNECT)
    client = bench.client()
    bench.server.accept().end()
    bench.advance(TURNAROUND_SECONDS + 0.25)
    bench.server.accept()
    bench.advance(CONNECT - 0.5)
    assert not client.fin
    bench.advance(0.75)
    assert client.fin


def test_client_that_leaves_in_the_pause_is_lost(make: MakeBench) -> None:
    bench = make()
    client = bench.client()
    bench.server.accept().end()
    bench.settle()
    client.end()
    assert bench.over()["termination"] == "CC"


def test_server_that_goes_in_the_pause_is_not_tried_again(make: MakeBench) -> None:
    bench = make(backend={"retries": 3})
    client = bench.client()
    bench.server.accept().end()
    bench.settle()
    bench.pool.set_state(bench.pool.servers[0], "maint", bench.poller.now)
    bench.advance(TURNAROUND_SECONDS + 0.25)
    line = ended(bench, client)
    assert not bench.server.is_asked
    assert (line["termination"], line["reason"]) == ("SC", "closed without a greeting")
    assert "retries" not in line


def test_server_that_loses_its_address_in_the_pause_is_not_tried_again(make: MakeBench) -> None:
    bench = make(backend={"retries": 3})
    client = bench.client()
    bench.server.accept().end()
    bench.settle()
    bench.pool.set_target(bench.pool.servers[0], None, bench.poller.now)
    bench.advance(TURNAROUND_SECONDS + 0.25)
    assert ended(bench, client)["termination"] == "SC"


def test_other_server_that_comes_up_in_the_pause_takes_over(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 1})
    first, second = bench.pool.servers
    bench.pool.set_state(second, "maint", bench.poller.now)
    client = bench.client()
    bench.servers[0].accept().end()
    bench.settle()
    bench.pool.set_state(second, "ready", bench.poller.now)
    bench.pool.set_state(first, "maint", bench.poller.now)
    bench.advance(TURNAROUND_SECONDS + 0.25)
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert bench.taken == [0, 1]


# How many.


def test_no_retries_are_none(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 0})
    client = bench.client()
    bench.servers[0].accept().end()
    line = ended(bench, client)
    assert not bench.servers[1].is_asked
    assert line["server"] == "d1"
    assert "retries" not in line


def test_session_without_attempts_left_does_not_wait_for_a_place(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 0}, each=ONE_PLACE, queue=60.0)
    bench.relay()
    client = bench.client()
    bench.servers[1].accept().end()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over_one()
    assert (line["termination"], line["reason"]) == ("SC", "closed without a greeting")


def test_servers_that_refuse_at_once_do_not_pile_up_calls(make: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a header, a server on the same machine refuses within the call that asks it."""
    bench = make(servers=40, backend={"retries": 80}, send_proxy="v1")
    for server in bench.servers:
        server.refuse()
    depths: list[int] = []
    begin = Outgoing.begin

    def counted(outgoing: Outgoing) -> None:
        depths.append(sum(1 for _ in traceback.walk_stack(None)))
        begin(outgoing)

    monkeypatch.setattr(Outgoing, "begin", counted)
    client = bench.client()
    line = ended(bench, client)
    assert line["retries"] == 80
    assert max(depths) - min(depths) < 10


# What is logged.


def test_server_and_retries_are_those_of_the_last_attempt(make: MakeBench) -> None:
    bench = make(servers=3, backend={"retries": 2})
    client = bench.client()
    for server in bench.servers:
        server.accept().end()
    line = ended(bench, client)
    assert (line["server"], line["retries"]) == ("d3", 2)


def test_letters_and_reason_are_those_of_the_last_attempt(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 1}, connect=CONNECT)
    client = bench.client()
    bench.servers[0].accept().end()
    bench.servers[1].accept()
    bench.advance(CONNECT + 0.25)
    line = ended(bench, client)
    assert (line["termination"], line["reason"]) == ("sC", "no greeting within 5 s")


def test_failure_after_a_silence_is_no_silence(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 1}, connect=CONNECT)
    client = bench.client()
    bench.servers[0].accept()
    bench.advance(CONNECT + 0.25)
    bench.servers[1].accept().end()
    line = ended(bench, client)
    assert (line["termination"], line["reason"]) == ("SC", "closed without a greeting")


def test_client_for_whom_no_server_is_up_is_told_so(make: MakeBench) -> None:
    bench = make()
    bench.pool.set_state(bench.pool.servers[0], "maint", bench.poller.now)
    client = bench.client()
    line = ended(bench, client)
    assert (line["termination"], line["reason"]) == ("SC", "no server is up")
    assert "server" not in line


# A refusal in place of a greeting.

REFUSING = {
    "imap": b"* BYE Too many connections\r\n",
    "pop3": b"-ERR [SYS/TEMP] Too many connections\r\n",
    "smtp": b"421 4.3.2 Too many connections\r\n",
    "submission": b"554 5.7.1 Too many connections\r\n",
    "lmtp": b"451 4.3.0 Too many connections\r\n",
    "managesieve": b'BYE "Too many connections"\r\n',
}


@pytest.mark.parametrize("protocol", REFUSING)
def test_server_that_refuses_has_failed(make: MakeBench, protocol: str) -> None:
    bench = make(servers=2, protocol=protocol)
    client = bench.client()
    bench.servers[0].accept(REFUSING[protocol])
    bench.servers[1].accept(b"welcome\r\n")
    bench.until(lambda: client.data == b"welcome\r\n")


@pytest.mark.parametrize("protocol", REFUSING)
def test_client_whom_all_servers_refuse_gets_our_own_words(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol, backend={"retries": 0})
    client = bench.client()
    bench.server.accept(REFUSING[protocol])
    bench.until(lambda: client.fin)
    assert client.data == REFUSALS[protocol]
    client.end()
    line = bench.over()
    words = REFUSING[protocol].decode().rstrip()
    assert (line["termination"], line["reason"]) == ("SC", f"greeting: came {words}")


def test_refused_client_s_bytes_are_not_counted_as_the_server_s(make: MakeBench) -> None:
    bench = make(backend={"retries": 0})
    client = bench.client()
    bench.server.accept(REFUSING["imap"])
    assert ended(bench, client)["bytes_out"] == 0


def test_long_refusal_is_short_in_the_log(make: MakeBench) -> None:
    bench = make(backend={"retries": 0})
    client = bench.client()
    bench.server.accept(b"* BYE " + b"x" * 5000 + b"\r\n")
    assert len(ended(bench, client)["reason"]) < 150


@pytest.mark.parametrize("piece", [b"*", b"* ", b"* B", b"* BY"])
def test_piece_of_a_refusal_is_passed_on(make: MakeBench, piece: bytes) -> None:
    """Nobody waits for the rest of a line here: what a greeting is, is for the client to say."""
    bench = make()
    client = bench.client()
    server = bench.server.accept(piece)
    bench.until(lambda: client.data == piece)
    server.send(b"x")
    bench.until(lambda: client.data == piece + b"x")


def test_what_looks_like_a_refusal_is_none_where_nothing_is_known(make: MakeBench) -> None:
    bench = make(protocol="tcp")
    client = bench.client()
    bench.server.accept(b"421 no\r\n")
    bench.until(lambda: client.data == b"421 no\r\n")


def test_refusal_later_on_is_the_server_s(make: MakeBench) -> None:
    bench = make(servers=2)
    client, server = bench.relay()
    server.send(REFUSING["imap"])
    bench.until(lambda: client.data == REFUSING["imap"])
    assert not bench.servers[1].is_asked
