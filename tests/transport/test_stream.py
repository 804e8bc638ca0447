"""Streams in a relay, without TLS and with it, over real sockets."""

from __future__ import annotations

import random
import select
import socket
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from mailproxy.tls import openssl
from mailproxy.transport.poller import BYTES, END, WRITE
from mailproxy.transport.stream import BUFFER_BYTES, VIEW
from tests.transport.relay import Relay, is_ready, linger, tcp_pair, unix_pair

SMALL = 4096

KINDS: dict[str, Callable[..., Relay]] = {
    "tcp": Relay,
    "unix": partial(Relay, pair=unix_pair),
    "tls": partial(Relay, tls=True),
    "tls-unix": partial(Relay, tls=True, pair=unix_pair),
    "tls-tls": partial(Relay, tls=True, server_tls=True),
    "tls-tls-unix": partial(Relay, tls=True, server_tls=True, pair=unix_pair),
    "tcp-tls": partial(Relay, server_tls=True),
}


@pytest.fixture(params=KINDS)
def relay(request: pytest.FixtureRequest) -> Iterator[Relay]:
    with KINDS[request.param]() as made:
        yield made


@pytest.fixture(params=["tcp", "tls", "tls-tls", "tcp-tls"])
def tcp(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A relay whose ends can be reset."""
    with KINDS[request.param]() as made:
        yield made


@pytest.fixture
def secure() -> Iterator[Relay]:
    with Relay(tls=True) as made:
        yield made


@pytest.fixture(params=["tcp", "tls", "tls-tls", "tcp-tls"])
def narrow(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A relay through small kernel buffers."""
    with KINDS[request.param](pair=partial(tcp_pair, SMALL)) as made:
        yield made


@pytest.fixture(params=["unix", "tls-unix", "tls-tls-unix"])
def steady(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """The same without TCP, which only continues after a while once its window was closed."""
    with KINDS[request.param](pair=partial(unix_pair, SMALL)) as made:
        yield made


# Bytes.


def test_bytes_go_to_the_server(relay: Relay) -> None:
    relay.client.send(b"a login\r\n")
    relay.until(lambda: relay.server.data == b"a login\r\n")


def test_bytes_go_to_the_client(relay: Relay) -> None:
    relay.server.send(b"* OK\r\n")
    relay.until(lambda: relay.client.data == b"* OK\r\n")


def test_bytes_are_written_within_the_event_that_brought_them(relay: Relay) -> None:
    relay.server.send(b"* OK\r\n")
    relay.far.on_event(BYTES)
    relay.until(lambda: relay.client.data == b"* OK\r\n")
    assert relay.far.received == relay.near.sent == 6


def test_event_without_bytes_is_nothing(relay: Relay) -> None:
    relay.near.on_event(BYTES)
    relay.far.on_event(BYTES | WRITE)
    assert relay.calls == []


def test_bytes_are_counted_at_both_ends(relay: Relay) -> None:
    relay.client.send(b"four")
    relay.server.send(b"seven..")
    relay.until(lambda: relay.server.data and relay.client.data)
    assert (relay.near.received, relay.far.sent) == (4, 4)
    assert (relay.far.received, relay.near.sent) == (7, 7)


def test_bytes_are_activity_of_both_ends(relay: Relay) -> None:
    relay.now += 30
    relay.client.send(b"x")
    relay.until(lambda: relay.server.data)
    assert relay.near.active == relay.far.active == relay.now


@pytest.mark.parametrize("seed", range(4))
def test_order_is_kept_both_ways_whatever_the_chunks(steady: Relay, seed: int) -> None:
    chance = random.Random(seed)
    up, down = chance.randbytes(400_000), chance.randbytes(400_000)
    sent_up = sent_down = 0
    while sent_up < len(up) or sent_down < len(down):
        size = chance.choice([1, 10, 1000, 16384, 16385, 100_000])
        if chance.random() < 0.5:
            steady.client.send(up[sent_up : sent_up + size])
            sent_up += size
        else:
            steady.server.send(down[sent_down : sent_down + size])
            sent_down += size
        if chance.random() < 0.5:
            steady.poller.poll(0)
        if chance.random() < 0.5:
            chance.choice([steady.client, steady.server]).pull()
    steady.until(lambda: len(steady.client.data) == len(down) and len(steady.server.data) == len(up))
    assert steady.client.data == down
    assert steady.server.data == up


def test_several_full_records_leave_in_one_piece() -> None:
    with Relay(tls=True, pair=unix_pair) as relay:
        relay.client.send(bytes(5 * 16384))
        relay.near.on_event(BYTES)
        assert relay.far.sent == 5 * 16384


# Back-pressure.


def stall(relay: Relay) -> None:
    """Send to a client that does not read, until all buffers are full."""
    relay.client.reading = False
    relay.server.send(bytes(8 * BUFFER_BYTES))
    relay.settle()


def test_fast_side_is_not_read_while_the_slow_one_has_a_backlog(narrow: Relay) -> None:
    stall(narrow)
    assert narrow.near.backlog
    assert not narrow.far.events & BYTES
    assert narrow.server.unsent


def test_backlog_is_bounded_by_the_shared_buffer(narrow: Relay) -> None:
    stall(narrow)
    assert 0 < len(narrow.near.backlog) <= BUFFER_BYTES


def test_stalled_relay_does_not_spin(narrow: Relay) -> None:
    stall(narrow)
    assert not is_ready(narrow.poller)


def test_other_way_continues_beside_a_stalled_one(narrow: Relay) -> None:
    stall(narrow)
    narrow.client.send(b"still here")
    narrow.until(lambda: narrow.server.data == b"still here")


def test_backlog_goes_out_when_the_slow_side_reads_again(steady: Relay) -> None:
    stall(steady)
    steady.client.reading = True
    steady.until(lambda: len(steady.client.data) == 8 * BUFFER_BYTES)
    assert not steady.near.backlog
    assert steady.far.events & BYTES


def test_words_of_our_own_go_behind_a_backlog(steady: Relay) -> None:
    stall(steady)
    steady.far.close()
    steady.near.peer = None
    waiting = len(steady.near.backlog) + steady.near.sent
    steady.near.put_own(b"* BYE\r\n")
    steady.client.reading = True
    steady.until(lambda: len(steady.client.data) == waiting + 7)
    assert steady.client.data.endswith(b"\0* BYE\r\n")


def test_no_words_are_no_error(relay: Relay) -> None:
    relay.near.put_own(b"")
    relay.settle()
    assert relay.calls == []


# The end of one side.


def test_end_of_the_client_reaches_the_server(relay: Relay) -> None:
    relay.client.send(b"a logout\r\n")
    relay.client.end()
    relay.until(lambda: relay.server.fin)
    assert relay.server.data == b"a logout\r\n"
    assert relay.calls == ["near ended"]


def test_end_of_the_server_reaches_the_client(relay: Relay) -> None:
    relay.server.send(b"* BYE\r\n")
    relay.server.end()
    relay.until(lambda: relay.client.fin)
    assert relay.client.data == b"* BYE\r\n"
    assert relay.calls == ["far ended"]


def test_server_still_answers_a_client_that_has_ended(relay: Relay) -> None:
    relay.client.end()
    relay.until(lambda: relay.server.fin)
    relay.server.send(b"done")
    relay.until(lambda: relay.client.data == b"done")


def test_client_still_speaks_to_a_server_that_has_ended(relay: Relay) -> None:
    relay.server.end()
    relay.until(lambda: relay.client.fin)
    relay.client.send(b"done")
    relay.until(lambda: relay.server.data == b"done")


def test_half_closed_relay_does_not_spin(relay: Relay) -> None:
    relay.client.end()
    relay.until(lambda: relay.server.fin)
    relay.settle()
    assert not is_ready(relay.poller)


@pytest.mark.parametrize("first", ["client", "server"])
def test_relay_is_over_once_both_sides_have_ended(relay: Relay, first: str) -> None:
    ends = [relay.client, relay.server] if first == "client" else [relay.server, relay.client]
    ends[0].end()
    relay.until(lambda: ends[1].fin)
    ends[1].end()
    relay.until(lambda: "over" in relay.calls)
    assert relay.calls[0] == ("near ended" if first == "client" else "far ended")


def test_end_waits_for_the_backlog(steady: Relay) -> None:
    steady.client.reading = False
    steady.server.send(bytes(100_000))
    steady.server.end()
    steady.until(lambda: steady.near.backlog)
    steady.settle()
    assert steady.near.backlog
    assert not steady.near.write_ended
    steady.client.reading = True
    steady.until(lambda: steady.client.fin)
    assert len(steady.client.data) == 100_000


def test_end_is_activity_of_both_sides(relay: Relay) -> None:
    relay.now += 600
    relay.client.end()
    relay.until(lambda: relay.server.fin)
    assert relay.near.active == relay.far.active == relay.now


def test_last_words_and_the_end_of_them_come_with_one_event() -> None:
    with Relay() as relay:
        relay.server.send(b"* BYE\r\n")
        relay.server.end()
        relay.until(partial(is_ready, relay.poller))
        relay.poller.poll(0)
        assert relay.calls == ["far ended"]


def test_event_of_an_end_that_was_another_connection_s_is_no_failure() -> None:
    with Relay() as relay:
        relay.near.on_event(BYTES | END)
        assert relay.calls == []


# TLS and its end.


def test_end_of_the_server_is_close_notify_to_the_client(secure: Relay) -> None:
    secure.server.end()
    secure.until(lambda: secure.client.fin)
    assert secure.tls_client.notified


def test_end_of_the_client_is_close_notify_to_the_server() -> None:
    with Relay(tls=True, server_tls=True) as relay:
        relay.client.end()
        relay.until(lambda: relay.server.fin)
        assert relay.tls_server.notified


def test_close_notify_without_fin_ends_what_the_client_says(secure: Relay) -> None:
    secure.tls_client.notify()
    secure.until(lambda: secure.server.fin)
    secure.settle()
    assert secure.calls == ["near ended"]
    assert not is_ready(secure.poller)


def test_fin_without_close_notify_ends_what_the_client_says(secure: Relay) -> None:
    secure.client.send(b"QUIT\r\n")
    secure.client.socket.shutdown(socket.SHUT_WR)
    secure.until(lambda: secure.server.fin)
    assert secure.server.data == b"QUIT\r\n"
    assert secure.calls == ["near ended"]


def test_close_notify_behind_full_records_is_seen() -> None:
    with Relay(tls=True, pair=unix_pair) as relay:
        relay.client.send(bytes(2 * 16384))
        relay.tls_client.notify()
        relay.near.on_event(BYTES)
        assert relay.calls == ["near ended"]
        assert relay.far.sent == 2 * 16384


def test_close_notify_waits_for_room() -> None:
    """Its record is a write like any other, and a slow client's socket may be full just then."""
    with Relay(tls=True, pair=partial(unix_pair, SMALL)) as relay:
        relay.client.reading = False
        VIEW[:100] = bytes(100)
        while not relay.near.backlog:
            relay.near.put(100)
        relay.near.finish()
        record = 100 + 5 + 16 + 1
        while relay.near.backlog:
            relay.client.socket.recv(record)  # room for one more, which is the one that waits
            relay.near.on_event(WRITE)
        assert not relay.near.write_ended
        drain_raw(relay)
        relay.near.on_event(WRITE)
        assert relay.near.write_ended
        assert len(drain_raw(relay)) == 2 + 5 + 16 + 1


def drain_raw(relay: Relay) -> bytes:
    """Take what came to the client as it is."""
    data = b""
    while True:
        try:
            more = relay.client.socket.recv(1 << 20)
        except BlockingIOError:
            return data
        if not more:
            return data
        data += more


def test_garbage_instead_of_a_record_is_a_failure(secure: Relay) -> None:
    secure.client.send_raw(b"GET / HTTP/1.1\r\n\r\n")
    secure.until(lambda: secure.calls)
    assert secure.calls == ["near failed: bad record type"]


def test_altered_record_is_a_failure(secure: Relay) -> None:
    secure.client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
    secure.until(lambda: secure.calls)
    assert secure.calls == ["near failed: decryption failed or bad record mac"]


def test_failure_behind_full_records_is_reported_when_they_are_delivered() -> None:
    with Relay(tls=True, pair=unix_pair) as relay:
        relay.client.send(bytes(16384))
        relay.client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
        relay.near.on_event(BYTES)
        assert relay.far.sent == 16384
        assert relay.calls == ["near failed: decryption failed or bad record mac"]


def test_failure_leaves_no_error_to_the_next_connection() -> None:
    """OpenSSL has one queue of errors per thread: what one connection leaves there, the next takes for its own."""
    with Relay(tls=True, pair=unix_pair) as broken, Relay(tls=True) as sound:
        broken.client.send(bytes(16384))
        broken.client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
        broken.server.close()
        broken.stream_failed = lambda stream, reason: broken.close()  # type: ignore[method-assign]  # as a session does
        broken.near.on_event(BYTES)
        assert broken.near.fd < 0
        sound.near.on_event(BYTES)  # nothing to read
        assert sound.calls == []


# Failures.


def test_reset_of_the_client_is_a_failure(tcp: Relay) -> None:
    tcp.client.break_off()
    tcp.until(lambda: tcp.calls)
    assert tcp.calls == ["near failed: Connection reset by peer"]


def test_reset_of_the_server_is_a_failure(tcp: Relay) -> None:
    tcp.server.break_off()
    tcp.until(lambda: tcp.calls)
    assert tcp.calls == ["far failed: Connection reset by peer"]


def test_reset_while_there_is_a_backlog_is_a_failure(narrow: Relay) -> None:
    stall(narrow)
    narrow.client.break_off()
    narrow.until(lambda: narrow.calls)
    assert narrow.calls[0].startswith("near failed: ")
    assert narrow.near.backlog == b""


def test_reset_behind_bytes_is_no_end(narrow: Relay) -> None:
    """Else the client would take what it got for all there was."""
    stall(narrow)
    narrow.server.break_off()
    narrow.settle()
    assert not is_ready(narrow.poller)
    narrow.client.reading = True
    narrow.until(lambda: narrow.calls)
    assert narrow.calls == ["far failed: Connection reset by peer"]


def test_broken_stream_does_not_spin(tcp: Relay) -> None:
    tcp.client.break_off()
    tcp.until(lambda: tcp.calls)
    tcp.settle()
    assert not is_ready(tcp.poller)


def test_write_to_a_reset_server_is_its_failure(tcp: Relay) -> None:
    tcp.server.break_off()
    tcp.client.send(b"x")
    tcp.until(lambda: is_ready(tcp.poller))
    tcp.near.on_event(BYTES)
    tcp.until(lambda: tcp.calls)
    assert tcp.calls[0].startswith("far failed: ")


def test_owner_may_close_both_streams_while_one_is_being_read(tcp: Relay) -> None:
    def close(stream: object, reason: str) -> None:
        tcp.near.close()
        tcp.far.close()
        tcp.calls.append("closed")

    tcp.stream_failed = close  # type: ignore[method-assign]  # as a session does
    tcp.client.send(bytes(5 * 16384))
    tcp.server.break_off()
    tcp.until(lambda: tcp.calls)
    tcp.near.on_event(BYTES | END)
    assert tcp.calls == ["closed"]


def test_bug_in_a_stream_is_its_owner_s_to_end(relay: Relay) -> None:
    relay.near.broke()
    assert relay.calls == ["broke"]


def test_close_is_idempotent_and_gives_the_socket_back(relay: Relay) -> None:
    relay.near.close()
    relay.near.close()
    relay.until(lambda: relay.client.fin or relay.client.reset)
    assert relay.near.fd == -1


def test_hung_up_stream_that_is_only_written_to_fails() -> None:
    with Relay() as relay:
        relay.near.peer = None
        relay.near.read_ended = True
        relay.near.backlog = b"x"
        relay.near.watch()
        relay.client.break_off()
        relay.until(lambda: relay.calls)
        assert relay.calls[0].startswith("near failed: ")


def test_error_without_a_reader_is_reported_in_words() -> None:
    with Relay() as relay:
        relay.client.break_off()
        relay.until(lambda: is_ready(relay.poller))
        relay.near.events = WRITE
        relay.near.on_event(select.EPOLLERR | select.EPOLLHUP)
        assert relay.calls == ["near failed: Connection reset by peer"]


# The last stage of a session.


def test_lingering_stream_drops_what_still_comes(tcp: Relay) -> None:
    tcp.near.put_own(b"* BYE\r\n")
    tcp.far.close()
    linger(tcp.near)
    tcp.client.send_raw(b"not TLS, nor of interest")
    tcp.until(lambda: tcp.client.fin)
    assert tcp.client.data == b"* BYE\r\n"
    assert not tcp.client.reset


def test_lingering_stream_is_over_when_the_other_side_ends(tcp: Relay) -> None:
    tcp.far.close()
    linger(tcp.near)
    tcp.until(lambda: tcp.client.fin)
    assert tcp.calls == []
    tcp.client.socket.shutdown(socket.SHUT_WR)
    tcp.until(lambda: tcp.calls)
    assert tcp.calls == ["over"]


def test_lingering_stream_is_over_when_the_other_side_resets(tcp: Relay) -> None:
    tcp.far.close()
    linger(tcp.near)
    tcp.client.break_off()
    tcp.until(lambda: tcp.calls)
    tcp.settle()
    assert tcp.calls == ["over"]


def test_lingering_stream_delivers_its_backlog_first(narrow: Relay) -> None:
    stall(narrow)
    waiting = len(narrow.near.backlog) + narrow.near.sent
    narrow.far.close()
    linger(narrow.near)
    assert narrow.calls == []
    narrow.client.reading = True
    narrow.until(lambda: narrow.client.fin)
    assert len(narrow.client.data) == waiting


def test_lingering_stream_whose_backlog_nobody_wants_fails(narrow: Relay) -> None:
    stall(narrow)
    narrow.far.close()
    linger(narrow.near)
    narrow.client.break_off()
    narrow.until(lambda: narrow.calls)


def test_lingering_behind_an_end_is_over_at_once(tcp: Relay) -> None:
    tcp.client.end()
    tcp.until(lambda: tcp.server.fin)
    tcp.calls.clear()
    tcp.far.close()
    linger(tcp.near)
    assert tcp.calls == ["over"]


# A client that leaves before anybody reads what it says.


@pytest.fixture(params=["tcp", "unix", "tls", "tls-unix"])
def unread(request: pytest.FixtureRequest) -> Iterator[Relay]:
    """A relay whose client only reads when the test does; the kind of its server does not matter."""
    with KINDS[request.param]() as made:
        yield made


def arrive(relay: Relay, what: int = select.POLLRDHUP) -> None:
    """Wait for what the client sent, or for the end of it."""
    waiting = select.poll()
    waiting.register(relay.near.fd, what)
    assert waiting.poll(5000)


def test_client_that_is_there_has_not_left(unread: Relay) -> None:
    assert not unread.near.has_left()


def test_client_that_ended_without_a_word_has_left(unread: Relay) -> None:
    unread.client.end()
    arrive(unread)
    assert unread.near.has_left()


def test_client_that_said_something_has_not_left(unread: Relay) -> None:
    unread.client.send(b"a noop\r\n")
    arrive(unread, select.POLLIN)
    assert not unread.near.has_left()


def test_client_that_said_something_and_ended_has_not_left(unread: Relay) -> None:
    unread.client.send(b"a logout\r\n")
    unread.client.end()
    arrive(unread)
    assert not unread.near.has_left()


def test_what_was_looked_at_is_still_there(unread: Relay) -> None:
    unread.client.send(b"a logout\r\n")
    unread.client.end()
    arrive(unread)
    unread.near.has_left()
    unread.until(lambda: unread.server.fin)
    assert unread.server.data == b"a logout\r\n"


def test_goodbye_of_tls_without_fin_is_leaving(secure: Relay) -> None:
    secure.tls_client.notify()
    arrive(secure, select.POLLIN)
    assert secure.near.has_left()


def test_fin_without_the_goodbye_of_tls_is_leaving(secure: Relay) -> None:
    secure.client.socket.shutdown(socket.SHUT_WR)
    arrive(secure)
    assert secure.near.has_left()


def test_fin_behind_half_a_record_is_leaving(secure: Relay) -> None:
    secure.client.send_raw(b"\x17\x03\x03\x00\x20abc")
    secure.client.socket.shutdown(socket.SHUT_WR)
    arrive(secure)
    assert secure.near.has_left()


def test_half_a_record_may_become_a_whole_one(secure: Relay) -> None:
    secure.client.send_raw(b"\x17\x03\x03\x00\x20abc")
    arrive(secure, select.POLLIN)
    assert not secure.near.has_left()


def test_garbage_within_tls_is_leaving(secure: Relay) -> None:
    secure.client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
    arrive(secure, select.POLLIN)
    assert secure.near.has_left()


def test_leaving_leaves_no_error_to_the_next_connection(secure: Relay) -> None:
    secure.client.send_raw(b"\x17\x03\x03\x00\x20" + bytes(32))
    arrive(secure, select.POLLIN)
    secure.near.has_left()
    assert openssl.reason() == ""
