"""A server that says what it offers."""

from ipaddress import ip_address
from typing import Any

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config import BackendTimeouts, InetServer, Server
from mailproxy.proxyprotocol import Decoder, Header
from tests.checks.bench import Bench
from tests.transport.peers import Peer

OFFER = b"IMAP4rev1 IDLE AUTH=PLAIN"


def backend_of(bench: Bench, **keys: Any) -> Backend:
    host, port = bench.address
    return Backend(
        config.Backend(
            name="b",
            **{"send_proxy": "v2-ssl", **keys},
            timeout=BackendTimeouts(connect=1.0),
            servers=(Server(name="s", address=InetServer(ip_address(host), port)),),
        ),
        "imap",
    )


def header_of(bench: Bench, server: Peer) -> Header:
    decoder = Decoder()
    bench.until(lambda: server.data)
    header = decoder.feed(bytes(server.data))
    assert header is not None
    server.data[:] = decoder.unused
    return header


def answer(bench: Bench, offer: bytes = OFFER) -> tuple[Peer, Header]:
    """Be the server, until LOGOUT."""
    server = bench.accept()
    header = header_of(bench, server)
    server.send(b"* OK ready\r\n")
    bench.until(lambda: server.data == b"a1 CAPABILITY\r\n")
    server.send(b"* CAPABILITY " + offer + b"\r\na1 OK done\r\n")
    bench.until(lambda: server.data.endswith(b"a2 LOGOUT\r\n"))
    server.send(b"* BYE\r\na2 OK bye\r\n")
    return server, header
