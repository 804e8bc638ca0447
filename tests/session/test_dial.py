"""The way to a server: attempts, their deadlines, and what is said when there is none."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from mailproxy.config import Server, UnixServer
from mailproxy.mail.refusal import refusal
from mailproxy.session.dial import TURNAROUND_SECONDS
from tests.session.bench import GREETING, Bench, header_of
from tests.session.conftest import MakeBench
from tests.transport.relay import is_ready

CONNECT = 5.0


@pytest.mark.parametrize("family", ["inet", "inet6", "unix"])
@pytest.mark.parametrize("send_proxy", ["none", "v2"])
def test_server_of_any_family_is_reached(make: MakeBench, family: str, send_proxy: str) -> None:
    bench = make(family=family, send_proxy=send_proxy)
    client = bench.client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert bool(server.data) == (send_proxy != "none")


def test_header_of_version_1_is_sent(make: MakeBench) -> None:
    bench = make(send_proxy="v1")
    bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data.endswith(b"\r\n"))
    assert header_of(server).version == 1


def test_connection_that_takes_its_time_gets_the_header_when_it_is_there(make: MakeBench) -> None:
    """On one machine it is there at once: the first write is made to find that it is not."""
    bench = make(send_proxy="v2")
    refuse_writes(bench)
    client = bench.client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert header_of(server).source is not None


def test_connection_that_breaks_before_it_is_there_has_failed(make: MakeBench) -> None:
    bench = make(send_proxy="v2", backend={"retries": 0})
    refuse_writes(bench)
    client = bench.client()
    bench.poller.poll(0)  # it waits in the server's queue, and in the poller
    bench.server.refuse()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"].partition(";")[0] == "Connection reset by peer"


def test_event_of_another_connection_does_not_make_one(make: MakeBench) -> None:
    bench = make(send_proxy="v2")
    refuse_writes(bench, times=2)
    client = bench.client()
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    assert header_of(server).source is not None


def refuse_writes(bench: Bench, times: int = 1) -> None:
    class Slow(socket.SocketType):
        asked = 0

        def send(self, data: Any, *flags: int) -> int:
            Slow.asked += 1
            if Slow.asked <= times:
                raise BlockingIOError(errno.EAGAIN, "not yet")
            return super().send(data, *flags)

    bench.dials_with(Slow)


def test_header_that_is_taken_in_part_is_no_success(make: MakeBench) -> None:
    """Dovecot, Postfix and Cyrus drop a header that comes in pieces."""

    class Narrow(socket.SocketType):
        def send(self, data: Any, *flags: int) -> int:
            return super().send(data[:10], *flags)

    bench = make(send_proxy="v2", backend={"retries": 0})
    bench.dials_with(Narrow)
    client = bench.client()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"] == "took 10 of the header's 28 bytes"


# One server.


def test_refused_server_is_asked_again_after_a_while(make: MakeBench) -> None:
    bench = make(backend={"retries": 1})
    bench.server.refuse()
    client = bench.client()
    bench.settle()
    bench.advance(TURNAROUND_SECONDS - 0.25)
    assert not client.fin
    bench.server.socket.listen()
    bench.advance(0.5)
    server = bench.server.accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    client.end()
    server.end()
    assert bench.over()["retries"] == 1


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_client_waits_for_every_attempt_and_no_longer(make: MakeBench, retries: int) -> None:
    bench = make(backend={"retries": retries})
    bench.server.refuse()
    client = bench.client()
    bench.settle()
    if retries:
        bench.advance(retries * TURNAROUND_SECONDS - 0.5)
        assert not client.fin
        bench.advance(0.5 + 0.25 * retries)
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
    client.end()
    line = bench.over()
    assert line.get("retries", 0) == retries
    assert line["termination"] == "SC"


def test_pause_before_the_same_server_is_not_longer_than_an_attempt(make: MakeBench) -> None:
    bench = make(backend={"retries": 1}, connect=0.5)
    bench.server.refuse()
    client = bench.client()
    bench.advance(0.75)
    assert client.fin


# Several servers.


def test_next_server_is_asked_at_once(make: MakeBench) -> None:
    bench = make(servers=2)
    bench.servers[0].refuse()
    client = bench.client()
    server = bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)
    client.end()
    server.end()
    line = bench.over()
    assert (line["server"], line["retries"], line["termination"]) == ("d2", 1, "--")


def test_first_server_is_asked_as_long_as_it_answers(make: MakeBench) -> None:
    bench = make(servers=2)
    for _ in range(2):
        bench.relay()
    assert not bench.servers[1].is_asked


@pytest.mark.parametrize("send_proxy", ["none", "v2"])
def test_many_servers_that_refuse_are_no_recursion(make: MakeBench, send_proxy: str) -> None:
    """With a header, a server on the same machine refuses at once."""
    bench = make(servers=101, backend={"retries": 100}, send_proxy=send_proxy)
    for server in bench.servers:
        server.refuse()
    client = bench.client()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["retries"], line["termination"]) == (100, "SC")


# The greeting.


def test_server_that_closes_before_its_greeting_has_failed(make: MakeBench) -> None:
    bench = make(servers=2)
    client = bench.client()
    bench.servers[0].accept().end()
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_server_that_resets_before_its_greeting_has_failed(make: MakeBench) -> None:
    bench = make(servers=2)
    client = bench.client()
    bench.servers[0].accept().break_off()
    bench.servers[1].accept(GREETING)
    bench.until(lambda: client.data == GREETING)


def test_reason_is_that_of_the_last_attempt(make: MakeBench) -> None:
    bench = make(backend={"retries": 0})
    client = bench.client()
    bench.server.accept().end()
    bench.until(lambda: client.fin)
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"].partition(";")[0]) == ("SC", "closed without a greeting")


def test_silent_server_is_given_up(make: MakeBench) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    client = bench.client()
    server = bench.server.accept()
    bench.advance(CONNECT - 0.25)
    assert not client.fin
    bench.advance(0.5)
    assert client.data == refusal("imap")
    assert server.fin or server.reset
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"].partition(";")[0]) == ("sC", "no greeting within 5 s")


def test_late_greeting_is_in_time_before_the_deadline(make: MakeBench) -> None:
    bench = make(connect=CONNECT)
    client = bench.client()
    server = bench.server.accept()
    bench.advance(CONNECT - 0.25)
    server.send(GREETING)
    bench.until(lambda: client.data == GREETING)
    bench.advance(2 * CONNECT)
    assert not client.fin


def test_next_server_has_a_deadline_of_its_own(make: MakeBench) -> None:
    bench = make(servers=2, connect=CONNECT)
    client = bench.client()
    bench.servers[0].accept()
    bench.advance(CONNECT + 0.25)
    bench.servers[1].accept()
    bench.advance(CONNECT - 0.5)
    assert not client.fin
    assert client.data == b""


def test_server_that_does_not_take_the_connection_is_given_up(make: MakeBench, tmp_path: Path) -> None:
    """A UNIX socket with a full queue refuses at once; TCP would not answer."""
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as first:
        full.bind(path)
        full.listen(0)
        first.connect(path)
        bench = make(reach=[Server(name="full", address=UnixServer(path))], backend={"retries": 0})
        client = bench.client()
        bench.until(lambda: client.fin)
        client.end()
        line = bench.over()
        assert (line["termination"], line["reason"]) == ("SC", "Resource temporarily unavailable")


def test_connection_without_an_answer_is_given_up(make: MakeBench) -> None:
    """The queue of the listening socket is full: the kernel drops what comes, as a firewall would."""
    bench = make(backend={"retries": 0}, connect=CONNECT)
    bench.server.socket.listen(0)
    with socket.create_connection(bench.server.socket.getsockname()):
        client = bench.client()
        bench.advance(CONNECT + 0.25)
        bench.until(lambda: client.fin)
        client.end()
        line = bench.over()
        assert (line["termination"], line["reason"]) == ("sC", "no connection within 5 s")


def test_missing_unix_socket_is_reported_in_words(make: MakeBench, tmp_path: Path) -> None:
    bench = make(reach=[Server(name="gone", address=UnixServer(str(tmp_path / "gone.sock")))], backend={"retries": 0})
    client = bench.client()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"] == "No such file or directory"


def test_tcp_does_not_wait_for_a_greeting(make: MakeBench) -> None:
    bench = make(protocol="tcp")
    client = bench.client()
    server = bench.server.accept()
    client.send(b"first word")
    bench.until(lambda: server.data == b"first word")
    assert bench.frontend.counters.sessions == 1


# Nothing left.


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_lack_of_descriptors_is_not_the_server_s_fault(make: MakeBench, number: int) -> None:
    bench = make(servers=2)

    def scarce(family: int, kind: int) -> socket.SocketType:
        raise OSError(number, os.strerror(number))

    bench.dials_with(scarce)
    client = bench.client()
    bench.until(lambda: client.fin)
    assert client.data == refusal("imap")
    client.end()
    line = bench.over()
    assert (line["termination"], line["reason"]) == ("RC", os.strerror(number))
    assert not bench.servers[1].is_asked


# The client meanwhile.


def test_dial_ends_with_its_session(make: MakeBench) -> None:
    bench = make()
    client = bench.client()
    server = bench.server.accept()
    bench.session.shut_down()
    bench.until(lambda: server.fin or server.reset)
    bench.until(lambda: client.fin)


def test_dial_does_not_spin(make: MakeBench) -> None:
    bench = make(tls=True)
    bench.tls_client()
    bench.server.accept()
    bench.settle()
    assert not is_ready(bench.poller)


def test_client_that_is_gone_when_there_is_no_server_does_not_hide_why(make: MakeBench) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    client = bench.client()
    bench.server.accept()
    bench.settle()
    client.break_off()
    bench.clock.advance(CONNECT + 0.25)
    line = bench.over()
    assert (line["termination"], line["reason"].partition(";")[0]) == ("sC", "no greeting within 5 s")


# The likely cause, in the log.


@pytest.mark.parametrize("leave", ["end", "break_off"])
def test_server_that_closes_behind_the_header_may_not_trust_us(make: MakeBench, leave: str) -> None:
    bench = make(send_proxy="v2", backend={"retries": 0, "profile": "dovecot"})
    client = bench.client()
    server = bench.server.accept()
    bench.until(lambda: server.data)
    getattr(server, leave)()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"].endswith("; is mailproxy's address in haproxy_trusted_networks?")


def test_server_that_is_silent_without_a_header_may_want_one(make: MakeBench) -> None:
    bench = make(backend={"retries": 0}, connect=CONNECT)
    client = bench.client()
    bench.server.accept()
    bench.advance(CONNECT + 0.25)
    client.end()
    assert bench.over()["reason"] == (
        "no greeting within 5 s; does its listener require a PROXY header? send-proxy sends one; "
        "or does it speak TLS there? then it needs tls here"
    )


def test_server_that_answers_with_an_alert_may_speak_tls(make: MakeBench) -> None:
    bench = make(backend={"retries": 0})
    client = bench.client()
    bench.server.accept(b"\x15\x03\x03\x00\x02\x02\x46").end()
    bench.until(lambda: client.fin)
    client.end()
    assert bench.over()["reason"] == "closed without a greeting; does it speak TLS there? then it needs tls here"
