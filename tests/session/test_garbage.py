"""No kind of session leaves anything to the garbage collector, which seldom looks: it would pile up."""

from __future__ import annotations

import gc
from collections.abc import Callable
from ipaddress import ip_network

import pytest

from mailproxy.config import ServerTls
from mailproxy.mail.greeting import GreetingReader
from mailproxy.session.relay import Relay
from tests.garbage import garbage, only_new_garbage
from tests.session.bench import GREETING, Bench
from tests.session.conftest import MakeBench
from tests.transport.peers import Peer

HERE = (ip_network("127.0.0.0/8"),)
HEADER = b"PROXY TCP4 192.0.2.9 198.51.100.1 40000 993\r\n"
NO_PEER = ServerTls(verify="none")


def over(bench: Bench, left: int = 0) -> None:
    """Wait until sessions have ended, and are logged."""
    bench.until(lambda: len(bench.frontend.sessions) == left)
    assert bench.lines()


def part(bench: Bench, client: Peer, server: Peer, left: int = 0) -> None:
    """End a session from both sides."""
    client.end()
    bench.until(lambda: server.fin)
    server.end()
    over(bench, left)


def clear(make: MakeBench) -> Callable[[], None]:
    bench = make()
    return lambda: part(bench, *bench.relay())


def implicit(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True)
    return lambda: part(bench, *bench.relay())


def backend_tls(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, server_tls=NO_PEER)
    return lambda: part(bench, *bench.relay())


def starttls(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        client = bench.starttls_client()
        server = bench.server.accept(GREETING)
        bench.until(lambda: isinstance(bench.session.stage, Relay))
        part(bench, client, server)

    return one


def starttls_aborted(make: MakeBench) -> Callable[[], None]:
    """The client sends STARTTLS, and disconnects."""
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        client.send(b"a STARTTLS\r\n")
        bench.until(lambda: b"a OK" in client.data)
        client.close()
        over(bench)

    return one


def starttls_injected(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        client.send(b"a STARTTLS\r\nb LOGIN alice secret\r\n")
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def dialogue_left(make: MakeBench) -> Callable[[], None]:
    """The client says goodbye without TLS."""
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        client.send(b"a LOGOUT\r\n")
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def dialogue_late(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        bench.until(lambda: client.data)
        bench.advance(bench.frontend.terms.timeout.login + 1)
        client.end()
        over(bench)

    return one


def handed_over(make: MakeBench) -> Callable[[], None]:
    """The client continues without TLS, on a frontend that offers it."""
    bench = make(tls=True, mode="starttls-optional")

    def one() -> None:
        client = bench.client()
        client.send(b"a LOGIN alice secret\r\n")
        server = bench.server.accept(GREETING)
        bench.until(lambda: server.data)
        part(bench, client, server)

    return one


def accept_proxy(make: MakeBench) -> Callable[[], None]:
    bench = make(accept_proxy=HERE)

    def one() -> None:
        client = bench.client()
        client.send(HEADER)
        server = bench.server.accept(GREETING)
        bench.until(lambda: client.data)
        part(bench, client, server)

    return one


def accept_proxy_starttls(make: MakeBench) -> Callable[[], None]:
    bench = make(accept_proxy=HERE, tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        client.send(HEADER)
        bench.until(lambda: client.data)
        client.send(b"a LOGOUT\r\n")
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def accept_proxy_late(make: MakeBench) -> Callable[[], None]:
    """The header does not come."""
    bench = make(accept_proxy=HERE)

    def one() -> None:
        client = bench.client()
        bench.until(lambda: bench.frontend.sessions)
        bench.advance(bench.frontend.terms.timeout.proxy_header + 1)
        client.end()
        over(bench)

    return one


def refused(make: MakeBench) -> Callable[[], None]:
    bench = make(accept_proxy=(ip_network("192.0.2.0/24"),), accept_proxy_only=True, tls=True)

    def one() -> None:
        client = bench.client()
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def header_refused(make: MakeBench) -> Callable[[], None]:
    bench = make(accept_proxy=HERE)

    def one() -> None:
        client = bench.client()
        client.send(b"a LOGIN alice secret\r\n")
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def header_from_elsewhere(make: MakeBench) -> Callable[[], None]:
    """A client presents a false address before a server is dialled."""
    bench = make(accept_proxy=(ip_network("192.0.2.0/24"),), tls=True, mode="starttls")

    def one() -> None:
        client = bench.client()
        client.send(HEADER)
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def no_server(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, backend={"retries": 0})
    bench.server.refuse()

    def one() -> None:
        client = bench.tls_client()
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def retried(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, servers=2, server_tls=NO_PEER, mode="starttls")
    bench.server.refuse()

    def one() -> None:
        client = bench.starttls_client()
        server = bench.servers[1].accept(GREETING)
        bench.until(lambda: isinstance(bench.session.stage, Relay))
        part(bench, client, server)

    return one


def silent_server(make: MakeBench) -> Callable[[], None]:
    """An attempt takes too long, and so does the next."""
    bench = make(tls=True, servers=2, backend={"retries": 1})

    def one() -> None:
        client = bench.tls_client()
        for server in bench.servers:
            server.accept()
            bench.advance(6)
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def queued(make: MakeBench) -> Callable[[], None]:
    """One session waits for the place of another, and gets it."""
    bench = make(tls=True, each={"maxconn": 1})

    def one() -> None:
        first, server = bench.relay()
        second = bench.tls_client()
        bench.until(lambda: bench.pool.queued)
        part(bench, first, server, left=1)
        server = bench.server.accept(GREETING)
        bench.until(lambda: second.data == GREETING)
        part(bench, second, server)

    return one


def queued_in_vain(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, each={"maxconn": 1}, queue=1.0)

    def one() -> None:
        first, server = bench.relay()
        second = bench.tls_client()
        bench.until(lambda: bench.pool.queued)
        bench.advance(1.5)
        bench.until(lambda: second.fin)
        second.end()
        over(bench, left=1)
        part(bench, first, server)

    return one


def handshake_aborted(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True)

    def one() -> None:
        client = bench.client()
        client.send(b"\x16\3\1\2\0\1")
        bench.settle()
        client.close()
        over(bench)

    return one


def handshake_refused(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True)

    def one() -> None:
        client = bench.client()
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def handshake_late(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True)

    def one() -> None:
        client = bench.client()
        client.send(b"\x16\3\1\2\0\1")
        bench.settle()
        bench.advance(bench.frontend.terms.timeout.handshake + 1)
        client.end()
        over(bench)

    return one


def client_reset(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, server_tls=NO_PEER)

    def one() -> None:
        client, _ = bench.relay()
        client.break_off()
        over(bench)

    return one


def server_reset(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, server_tls=NO_PEER)

    def one() -> None:
        client, server = bench.relay()
        server.break_off()
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def shut_down(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, mode="starttls", server_tls=NO_PEER)

    def one() -> None:
        client = bench.starttls_client()
        bench.server.accept(GREETING)
        bench.until(lambda: isinstance(bench.session.stage, Relay))
        bench.session.shut_down()
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def aborted(make: MakeBench) -> Callable[[], None]:
    bench = make(tls=True, mode="starttls")

    def one() -> None:
        bench.client()
        bench.session.abort()
        over(bench)

    return one


def ruled_out(make: MakeBench) -> Callable[[], None]:
    bench = make(rules=[{"refuse": "temporary"}], tls=True)

    def one() -> None:
        client = bench.tls_client()
        bench.until(lambda: client.fin)
        client.end()
        over(bench)

    return one


def tarpitted(make: MakeBench) -> Callable[[], None]:
    bench = make(rules=[{"refuse": "close", "tarpit": "2s"}])

    def one() -> None:
        client = bench.client()
        bench.advance(3)
        assert client.fin or client.reset
        over(bench)

    return one


def tarpit_left(make: MakeBench) -> Callable[[], None]:
    bench = make(rules=[{"refuse": "close", "tarpit": "20s"}])

    def one() -> None:
        client = bench.client()
        bench.settle()
        client.close()
        over(bench)

    return one


def throttled(make: MakeBench) -> Callable[[], None]:
    bench = make(rules=[{"bandwidth": "64KiB/s"}])

    def one() -> None:
        client, server = bench.relay()
        server.send(b"x" * 200_000)
        bench.settle()
        client.break_off()
        over(bench)

    return one


def ruled_elsewhere(make: MakeBench) -> Callable[[], None]:
    bench = make(rules=[{"if": {"tls-version": "1.3"}, "backend": "other", "label": "x"}], tls=True)

    def one() -> None:
        client = bench.tls_client()
        server = bench.other.accept(GREETING)
        bench.until(lambda: client.data == GREETING)
        part(bench, client, server)

    return one


KINDS = [
    ruled_out,
    tarpitted,
    tarpit_left,
    throttled,
    ruled_elsewhere,
    clear,
    implicit,
    backend_tls,
    starttls,
    starttls_aborted,
    starttls_injected,
    dialogue_left,
    dialogue_late,
    handed_over,
    accept_proxy,
    accept_proxy_starttls,
    accept_proxy_late,
    refused,
    header_refused,
    header_from_elsewhere,
    no_server,
    retried,
    silent_server,
    queued,
    queued_in_vain,
    handshake_aborted,
    handshake_refused,
    handshake_late,
    client_reset,
    server_reset,
    shut_down,
    aborted,
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_session_leaves_nothing_to_the_garbage_collector(
    kind: Callable[..., Callable[[], None]], make: MakeBench
) -> None:
    with only_new_garbage():
        one = kind(make)
        gc.collect()
        one()
        assert garbage() == []


def test_garbage_would_be_found() -> None:
    with only_new_garbage():
        reader = GreetingReader("imap", after_tls=False, prelude=b"")
        cycle: list[object] = [reader]
        cycle.append(cycle)
        del reader, cycle
        assert GreetingReader in map(type, garbage())
