"""The bytes of sessions that live."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailproxy.backend.numbers import SERVER
from mailproxy.front import live_bytes
from mailproxy.front.live_bytes import COUNT_SECONDS, LiveBytes
from mailproxy.session.log import DELAY_SECONDS
from mailproxy.session.tally import count_live
from tests.session.bench import GREETING, Bench, open_bench

SENT = b"a NOOP\r\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose live sessions are counted."""
    with open_bench(tmp_path) as made:
        counting = LiveBytes(lambda: made.frontend.sessions, made.clock)
        counting.start()
        yield made
        counting.stop()


def counted(bench: Bench) -> tuple[int, int]:
    """The counted bytes each way, which are the same of the server and of the frontend."""
    numbers = bench.frontend.totals.numbers
    of_server = SERVER.totals(bench.pool.servers[0].numbers).numbers
    both = numbers["bytes_in"], numbers["bytes_out"]
    assert (of_server["bytes_in"], of_server["bytes_out"]) == both
    return both


def test_bytes_are_counted_while_a_session_lives_and_once(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(SENT)
    bench.until(lambda: server.data)
    assert counted(bench) == (0, 0)
    bench.clock.advance(COUNT_SECONDS)
    assert counted(bench) == (len(SENT), len(GREETING))
    bench.clock.advance(COUNT_SECONDS)
    client.send(SENT)
    bench.until(lambda: len(server.data) > len(SENT))
    client.end()
    server.end()
    bench.until(lambda: not bench.frontend.sessions)
    bench.clock.advance(DELAY_SECONDS)
    assert counted(bench) == (2 * len(SENT), len(GREETING))


def test_session_without_a_server_is_left_out(bench: Bench) -> None:
    client = bench.client()
    bench.server.accept()
    bench.settle()
    bench.clock.advance(COUNT_SECONDS)
    assert counted(bench) == (0, 0)
    client.break_off()


def test_session_that_ends_during_a_count_is_counted_once(bench: Bench) -> None:
    client, server = bench.relay()
    client.send(SENT)
    bench.until(lambda: server.data)
    (session,) = bench.frontend.sessions
    session.abort()
    bench.clock.advance(DELAY_SECONDS)
    count_live([session])
    assert counted(bench) == (len(SENT), len(GREETING))


def test_sessions_are_counted_some_at_a_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = []
    monkeypatch.setattr(live_bytes, "SESSIONS_PER_TURN", 2)
    monkeypatch.setattr(live_bytes, "count_live", lambda sessions: turns.append(len(sessions)))
    for _ in range(3):
        bench.relay()
    bench.clock.advance(COUNT_SECONDS)
    bench.clock.advance(COUNT_SECONDS)
    assert turns == [2, 1, 2, 1]


def test_stopped_counting_asks_no_more(bench: Bench) -> None:
    counting = LiveBytes(lambda: bench.frontend.sessions, bench.clock)
    before = len(bench.clock.getDelayedCalls())
    counting.start()
    counting.stop()
    assert len(bench.clock.getDelayedCalls()) == before
