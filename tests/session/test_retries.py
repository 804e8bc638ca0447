"""Retries: their servers, times, number and log lines."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from mailproxy.mail.backend.talk import SIZE
from mailproxy.mail.refusal import WORDS_BYTES, refusal
from mailproxy.session.dial import TURNAROUND_SECONDS
from mailproxy.transport.outgoing import Outgoing
from tests.session.bench import GREETING, GREETINGS, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

CONNECT = 5.0
ONE_PLACE = {"maxconn": 1}


def ended(bench: Bench, client: Peer) -> dict[str, Any]:
    """Wait for a refusal, and return what is logged of it."""
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
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
    assert (line["termination"], line["reason"].partition(";")[0]) == ("SC", "closed without a greeting")
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
    assert (line["termination"], line["reason"].partition(";")[0]) == ("SC", "closed without a greeting")


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
    assert (line["termination"], line["reason"].partition(";")[0]) == ("sC", "no greeting within 5 s")


def test_failure_after_a_silence_is_no_silence(make: MakeBench) -> None:
    bench = make(servers=2, backend={"retries": 1}, connect=CONNECT)
    client = bench.client()
    bench.servers[0].accept()
    bench.advance(CONNECT + 0.25)
    bench.servers[1].accept().end()
    line = ended(bench, client)
    assert (line["termination"], line["reason"].partition(";")[0]) == ("SC", "closed without a greeting")


def test_client_for_whom_no_server_is_up_gets_the_reason(make: MakeBench) -> None:
    bench = make()
    bench.pool.set_state(bench.pool.servers[0], "maint", bench.poller.now)
    client = bench.client()
    line = ended(bench, client)
    assert (line["termination"], line["reason"]) == ("SC", "no server is up")
    assert "server" not in line


# A greeting goes to the client as it is, once its first line is whole.


@pytest.mark.parametrize("protocol", sorted(set(GREETINGS) - {"tcp"}))
def test_greeting_in_pieces_is_waited_for(make: MakeBench, protocol: str) -> None:
    bench = make(protocol=protocol)
    client = bench.client()
    server = bench.server.accept()
    greeting = GREETINGS[protocol]
    end = greeting.index(b"\n")
    for piece in (greeting[:1], greeting[1:end]):
        server.send(piece)
        bench.settle()
        assert client.data == b""
    server.send(greeting[end:] + b"more")
    bench.until(lambda: client.data == greeting + b"more")


def test_greeting_of_many_lines_counts_from_the_first(make: MakeBench) -> None:
    """Postfix's postscreen waits for seconds after it."""
    bench = make(protocol="smtp")
    client = bench.client()
    server = bench.server.accept(b"220-wait\r\n")
    bench.until(lambda: client.data == b"220-wait\r\n")
    server.send(b"220 ready\r\n")
    bench.until(lambda: client.data == b"220-wait\r\n220 ready\r\n")


@pytest.mark.parametrize("sent", [b"*", b"* OK and no end"])
def test_greeting_without_an_end_is_none(make: MakeBench, sent: bytes) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    client = bench.client()
    bench.server.accept(sent)
    bench.advance(CONNECT + 0.25)
    line = ended(bench, client)
    assert (line["termination"], line["reason"].partition(";")[0]) == ("sC", "no greeting within 5 s")


@pytest.mark.parametrize("sent", [b"\r\n", b"* HELLO\r\n", b"\x15\x03\x03\x00\x02\x02\x0a\n"])
def test_what_is_no_greeting_is_not_passed_on(make: MakeBench, sent: bytes) -> None:
    bench = make(servers=2)
    client = bench.client()
    bench.servers[0].accept(sent)
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_endless_line_is_no_greeting(make: MakeBench) -> None:
    bench = make(servers=2)
    client = bench.client()
    server = bench.servers[0].accept()
    server.send(b"* OK " + b"x" * SIZE)
    bench.until(lambda: server.fin or server.reset)
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


# A refusal in place of a greeting: final, and one that another server may do better than.

NO = {
    "imap": b"* BYE You are blocked\r\n",
    "pop3": b"-ERR You are blocked\r\n",
    "smtp": b"554-5.7.1 You are blocked\r\n554 5.7.1 See example.org\r\n",
    "submission": b"554 5.7.1 You are blocked\r\n",
    "lmtp": b"550 5.7.1 You are blocked\r\n",
    "managesieve": b'BYE "You are blocked"\r\n',
}
LATER = {
    "imap": b"* BYE [UNAVAILABLE] Too many connections\r\n",
    "pop3": b"-ERR [SYS/TEMP] Too many connections\r\n",
    "smtp": b"421 4.7.0 Too many connections\r\n",
    "submission": b"421-4.7.0 Too many\r\n421 4.7.0 connections\r\n",
    "lmtp": b"451 4.3.0 Too many connections\r\n",
    "managesieve": b'BYE (TRYLATER) "Too many connections"\r\n',
}


def refused(bench: Bench, client: Peer) -> dict[str, Any]:
    """Wait for a client to be turned away, and return what is logged of it."""
    bench.until(lambda: client.fin)
    client.end()
    return bench.over_one()


@pytest.mark.parametrize("send_proxy", ["v1", "v2", "v2-ssl"])
@pytest.mark.parametrize("protocol", NO)
def test_client_gets_the_server_s_own_refusal_in_one_attempt(make: MakeBench, protocol: str, send_proxy: str) -> None:
    bench = make(servers=2, protocol=protocol, send_proxy=send_proxy)
    client = bench.client()
    bench.servers[0].accept(NO[protocol])
    line = refused(bench, client)
    assert client.data == NO[protocol]
    assert not bench.servers[1].is_asked
    assert (line["termination"], line["server"]) == ("SC", "d1")
    assert "retries" not in line


@pytest.mark.parametrize("protocol", LATER)
def test_other_server_may_take_a_client_that_is_refused_for_now(make: MakeBench, protocol: str) -> None:
    bench = make(servers=2, protocol=protocol, send_proxy="v2")
    client = bench.client()
    bench.servers[0].accept(LATER[protocol])
    bench.servers[1].accept(GREETINGS[protocol])
    bench.until(lambda: client.data == GREETINGS[protocol])


@pytest.mark.parametrize("send_proxy", ["none", "v2"])
def test_no_server_that_refused_is_asked_again(make: MakeBench, send_proxy: str) -> None:
    bench = make(servers=2, protocol="smtp", send_proxy=send_proxy, backend={"retries": 10})
    client = bench.client()
    bench.servers[0].accept(LATER["smtp"])
    bench.servers[1].accept(LATER["submission"])
    line = refused(bench, client)
    assert client.data == LATER["submission"]
    assert line["retries"] == 1
    assert not any(server.is_asked for server in bench.servers)


def test_only_server_is_not_asked_again_after_a_pause(make: MakeBench) -> None:
    bench = make(protocol="smtp", send_proxy="v2")
    client = bench.client()
    bench.server.accept(LATER["smtp"])
    assert "retries" not in refused(bench, client)
    assert client.data == LATER["smtp"]


def test_refusal_after_a_header_without_a_client_is_not_about_the_client(make: MakeBench) -> None:
    bench = make(servers=2, protocol="smtp", send_proxy="none")
    client = bench.client()
    bench.servers[0].accept(NO["smtp"])
    bench.servers[1].accept(GREETINGS["smtp"])
    bench.until(lambda: client.data == GREETINGS["smtp"])


def test_client_on_a_unix_socket_is_not_named_either(make: MakeBench) -> None:
    bench = make(servers=2, protocol="smtp", send_proxy="v2", bind="unix")
    client = bench.client()
    bench.servers[0].accept(NO["smtp"])
    bench.servers[1].accept(GREETINGS["smtp"])
    bench.until(lambda: client.data == GREETINGS["smtp"])


def test_words_outlive_a_failure_of_another_server(make: MakeBench) -> None:
    bench = make(servers=2, protocol="smtp", send_proxy="v2", backend={"retries": 1})
    client = bench.client()
    bench.servers[0].accept(LATER["smtp"])
    bench.servers[1].accept().end()
    line = refused(bench, client)
    assert client.data == LATER["smtp"]
    assert line["reason"].partition(";")[0] == "closed without a greeting"


def test_refused_client_does_not_wait_for_a_place(make: MakeBench) -> None:
    bench = make(servers=2, protocol="smtp", send_proxy="v2", each=ONE_PLACE, queue=60.0)
    first = bench.client()
    bench.servers[0].accept(LATER["smtp"])
    bench.servers[1].accept(GREETINGS["smtp"])
    bench.until(lambda: first.data == GREETINGS["smtp"])
    second = bench.client()
    bench.servers[0].accept(LATER["smtp"])
    refused(bench, second)
    assert second.data == LATER["smtp"]


def test_words_that_break_off_are_made_a_line(make: MakeBench) -> None:
    bench = make(send_proxy="v2")
    client = bench.client()
    server = bench.server.accept(b"* BYE You are bl")
    server.end()
    refused(bench, client)
    assert client.data == b"* BYE You are bl\r\n"


def test_words_that_never_end_are_passed_on_at_the_deadline(make: MakeBench) -> None:
    bench = make(protocol="smtp", send_proxy="v2", connect=CONNECT)
    client = bench.client()
    bench.server.accept(b"554-You are blocked\r\n")
    bench.advance(CONNECT + 0.25)
    refused(bench, client)
    assert client.data == b"554 You are blocked\r\n"


def test_refusal_is_logged_in_the_server_s_words(make: MakeBench) -> None:
    bench = make(protocol="smtp", send_proxy="v2")
    client = bench.client()
    bench.server.accept(b"554 5.7.1 \x1b[31mno\r\n")
    line = refused(bench, client)
    assert line["reason"] == "the server refuses this client: 554 5.7.1 \\x1b[31mno"


def test_refusal_of_nobody_is_logged_as_one_of_us(make: MakeBench) -> None:
    bench = make(protocol="smtp", send_proxy="none")
    client = bench.client()
    bench.server.accept(LATER["smtp"])
    assert refused(bench, client)["reason"] == "the server refuses mailproxy: 421 4.7.0 Too many connections"


def test_refused_client_s_bytes_are_not_counted_as_the_server_s(make: MakeBench) -> None:
    bench = make(send_proxy="v2")
    client = bench.client()
    bench.server.accept(NO["imap"])
    assert refused(bench, client)["bytes_out"] == 0


def test_long_refusal_is_short_in_the_log_and_bounded_for_the_client(make: MakeBench) -> None:
    bench = make(send_proxy="v2")
    client = bench.client()
    bench.server.accept(b"* BYE " + b"x" * 5000 + b"\r\n")
    assert len(refused(bench, client)["reason"]) < 150
    assert len(client.data) == WORDS_BYTES


def test_refusals_are_counted_apart(make: MakeBench) -> None:
    bench = make(send_proxy="v2")
    client = bench.client()
    bench.server.accept(NO["imap"])
    refused(bench, client)
    assert (bench.frontend.counters.refused, bench.frontend.counters.no_server) == (1, 0)


def test_what_looks_like_a_refusal_is_none_where_nothing_is_known(make: MakeBench) -> None:
    bench = make(protocol="tcp")
    client = bench.client()
    bench.server.accept(b"421 no\r\n")
    bench.until(lambda: client.data == b"421 no\r\n")


def test_refusal_later_on_is_the_server_s(make: MakeBench) -> None:
    bench = make(servers=2)
    client, server = bench.relay()
    server.send(NO["imap"])
    bench.until(lambda: client.data == NO["imap"])
    assert not bench.servers[1].is_asked
