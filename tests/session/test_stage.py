"""The stages of a session: which follows which, and what each one says of itself."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest

from mailproxy.session.login_watch import WATCHED_BYTES
from mailproxy.session.session import Session
from mailproxy.session.termination import SHUT_DOWN
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import TlsPeer

HERE = (ip_network("127.0.0.0/8"),)
ELSEWHERE = (ip_network("192.0.2.0/24"),)


def stage(session: Session) -> tuple[str, str]:
    """The stage that a session is in, and its letter."""
    return type(session.stage).__name__, session.stage.letter


def arrival(make: MakeBench) -> Bench:
    bench = make(accept_proxy=HERE)
    bench.client()
    return bench


def conversation(make: MakeBench) -> Bench:
    bench = make(tls=True, mode="starttls")
    bench.client()
    return bench


def handshake(make: MakeBench) -> Bench:
    bench = make(tls=True)
    bench.client().send(b"\x16\3\1\2\0\1")
    return bench


def dial(make: MakeBench) -> Bench:
    bench = make()
    bench.client()
    bench.server.accept()
    return bench


def relay(make: MakeBench) -> Bench:
    bench = make()
    bench.relay()
    return bench


def parting(make: MakeBench) -> Bench:
    bench = make(backend={"retries": 0})
    bench.server.refuse()
    client = bench.client()
    bench.until(lambda: client.fin)
    return bench


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        (arrival, ("Arrival", "R")),
        (conversation, ("Conversation", "R")),
        (handshake, ("Handshake", "R")),
        (dial, ("Waiting", "C")),
        (relay, ("Relay", "D")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_session_is_in_one_stage(
    make: MakeBench, begin: Callable[[MakeBench], Bench], expected: tuple[str, str]
) -> None:
    bench = begin(make)
    session = bench.session
    bench.settle()
    assert stage(session) == expected
    assert bench.poller.ready[session.client.fd] == session.stage.ready


def test_ended_session_parts(make: MakeBench) -> None:
    session = parting(make).session
    assert type(session.stage).__name__ == "Parting"
    assert not session.is_over


def test_client_waits_in_the_queue_before_it_is_dialled_for(make: MakeBench) -> None:
    bench = make(each={"maxconn": 1})
    bench.relay()
    bench.client()
    bench.until(lambda: bench.pool.queued)
    assert {stage(session) for session in bench.frontend.sessions} == {("Relay", "D"), ("Waiting", "Q")}


def test_starttls_leads_from_the_conversation_to_the_relay(make: MakeBench) -> None:
    bench = make(tls=True, mode="starttls")
    client = bench.starttls_client()
    session = bench.session
    assert stage(session)[0] == "Handshake"
    bench.until(lambda: stage(session)[0] == "Waiting")
    bench.server.accept(GREETING)
    bench.until(lambda: stage(session)[0] == "Relay")
    assert isinstance(client, TlsPeer)


def test_refusal_of_a_greeted_client_waits_for_its_command(make: MakeBench) -> None:
    bench = make(protocol="pop3", tls=True, mode="starttls", backend={"retries": 0})
    bench.server.refuse()
    client = bench.starttls_client(b"STLS\r\n")
    session = bench.session
    bench.until(lambda: stage(session)[0] == "Refusal")
    client.send(b"CAPA\r\n")
    bench.until(lambda: stage(session)[0] == "Parting")


def test_nothing_stands_between_the_poller_and_the_relay_after_the_first_bytes(make: MakeBench) -> None:
    bench = relay(make)
    client, stream = bench.session.client, bench.session.stream
    assert stream is not None
    assert bench.poller.ready[client.fd] == client.on_event
    bench.peers[-1].send(b"x" * WATCHED_BYTES)
    bench.until(lambda: stream.received > WATCHED_BYTES)
    assert bench.poller.ready[stream.fd] == stream.on_event


def test_guard_stands_before_the_stage_until_the_first_bytes(make: MakeBench) -> None:
    bench = make(accept_proxy=ELSEWHERE)
    client = bench.client()
    bench.server.accept(GREETING)
    bench.until(lambda: client.data)
    session = bench.session
    assert stage(session)[0] == "Relay"
    assert bench.poller.ready[session.client.fd] != session.stage.ready
    client.send(b"a NOOP\r\n")
    bench.until(lambda: bench.poller.ready[session.client.fd] == session.stage.ready)


@pytest.mark.parametrize("begin", [arrival, conversation, handshake, dial, relay], ids=lambda begin: begin.__name__)
def test_shutdown_has_the_letter_of_the_stage(make: MakeBench, begin: Callable[[MakeBench], Bench]) -> None:
    bench = begin(make)
    session = bench.session
    bench.settle()
    letter = session.stage.letter
    session.shut_down()
    assert session.termination is not None
    assert (session.termination.ending, session.termination.stage) == (SHUT_DOWN, letter)
