"""Live events for HTTP clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.logger import Logger, LogPublisher

from mailproxy.control.backlog import WAITING_BYTES
from mailproxy.web.channel import UNREAD_SECONDS
from mailproxy.web.events import PULSE, PULSE_SECONDS
from mailproxy.web.site import MAX_STREAMS
from tests.control.conftest import Make
from tests.web.bench import HOST, Client, Web


class Bench:
    """A service with its own log, and HTTP clients."""

    def __init__(self, make: Make) -> None:
        running = make()
        self.publisher = LogPublisher()
        self.log = Logger(namespace="mailproxy", observer=self.publisher)
        self.web = Web(running.service, running.reactor, self.publisher)

    def watch(self, query: str = "") -> Client:
        client = self.web.client()
        client.send(f"GET /api/v1/events{query} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        return client

    def received(self, client: Client) -> list[bytes]:
        """The pieces that a client has received."""
        self.web.turn()
        data = client.transport.value()
        client.transport.clear()
        data = data.partition(b"\r\n\r\n")[2] if data.startswith(b"HTTP/") else data
        pieces = []
        while data:
            size, _, data = data.partition(b"\r\n")
            pieces.append(data[: int(size, 16)])
            data = data[int(size, 16) + 2 :]
        return pieces


def events(pieces: list[bytes]) -> list[dict[str, Any]]:
    blocks = [block for piece in pieces for block in piece.split(b"\n\n") if block.startswith(b"data: ")]
    return [json.loads(block.removeprefix(b"data: ")) for block in blocks]


@pytest.fixture
def bench(make: Make) -> Bench:
    return Bench(make)


def test_event_is_printable_ascii_whatever_a_client_has_sent(bench: Bench) -> None:
    client = bench.watch()
    bench.received(client)
    bench.log.info("{sni}", event="session", sni="a\x1b[2J\u202e\x9b")
    (piece,) = bench.received(client)
    assert piece.decode("ascii").removesuffix("\n\n").isprintable()


def test_event_arrives_as_an_object(bench: Bench) -> None:
    client = bench.watch()
    assert bench.received(client) == [b"retry: 3000\n\n"]
    bench.log.info("server d1 is DOWN", event="server", server="d1")
    (event,) = events(bench.received(client))
    assert (event["type"], event["event"], event["server"]) == ("event", "server", "d1")


def test_type_says_what_it_is(bench: Bench) -> None:
    client = bench.web.client()
    client.send(f"GET /api/v1/events HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    assert b"Content-Type: text/event-stream\r\n" in client.transport.value()


def test_events_are_selected(bench: Bench) -> None:
    client = bench.watch("?events=servers")
    bench.log.info("a session", event="session")
    bench.log.info("a server", event="server")
    assert [event["event"] for event in events(bench.received(client))] == ["server"]


def test_unknown_selection_is_refused(bench: Bench) -> None:
    assert bench.web.get("/api/v1/events?events=server").error == (
        'EVENTS is "server", needs one of "all", "sessions", "servers", "service"; did you mean "servers"?'
    )


def test_silence_has_a_pulse(bench: Bench) -> None:
    client = bench.watch()
    bench.received(client)
    bench.web.reactor.advance(PULSE_SECONDS)
    assert bench.received(client) == [PULSE]
    bench.log.info("an event", event="e")
    assert len(events(bench.received(client))) == 1


def test_slow_reader_loses_events_and_gets_their_number(bench: Bench) -> None:
    client = bench.watch()
    bench.received(client)
    client.transport.has_room = False
    bench.log.info("the first")
    bench.web.turn()
    for _ in range(2 * WAITING_BYTES // 1000):
        bench.log.info("x" * 1000)
    bench.received(client)
    client.transport.make_room()
    found = events(bench.received(client))
    assert found[-1]["type"] == "lost"
    assert found[-1]["events"] == 2 * WAITING_BYTES // 1000 - (len(found) - 1)
    assert sum(len(json.dumps(event)) for event in found) < WAITING_BYTES * 1.1


def test_short_event_after_a_lost_one_is_lost_too(bench: Bench) -> None:
    client = bench.watch()
    bench.received(client)
    client.transport.has_room = False
    bench.log.info("the first")
    bench.received(client)
    bench.log.info("x" * WAITING_BYTES)
    bench.log.info("short")
    client.transport.make_room()
    assert events(bench.received(client)) == [{"type": "lost", "events": 2}]


def test_client_that_never_reads_is_dropped(bench: Bench) -> None:
    client = bench.watch()
    client.transport.has_room = False
    bench.log.info("an event")
    bench.web.turn()
    bench.web.reactor.advance(UNREAD_SECONDS)
    assert client.transport.is_aborted
    client.lose()
    assert len(bench.web.watch) == 0


def test_client_that_leaves_is_forgotten(bench: Bench) -> None:
    client = bench.watch()
    assert len(bench.web.watch) == 1
    client.lose()
    assert (len(bench.web.watch), bench.web.server.site.streams) == (0, 0)


def test_number_of_streams_is_limited(bench: Bench) -> None:
    clients = [bench.watch() for _ in range(MAX_STREAMS)]
    refused = bench.web.get("/api/v1/events")
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert bench.web.get("/livez").status == 200
    clients[0].lose()
    assert len(bench.received(bench.watch())) == 1
