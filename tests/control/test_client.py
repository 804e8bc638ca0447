"""One client of the admin socket: its requests, its pace, its bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger, LogPublisher, capturedLogs

from mailproxy import __version__
from mailproxy.control.answer import Answer, Live
from mailproxy.control.client import IDLE_SECONDS, ROWS_PER_TURN, UNREAD_SECONDS
from mailproxy.control.grammar import BadCommand, Request
from mailproxy.control.message import LONGEST_REQUEST
from mailproxy.control.watch import Watch
from tests.control.bench import TURN_SECONDS, Admin, Turns


@frozen
class Row:
    number: int


class FakeAnswers:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[str] = []

    def answer(self, request: Request, who: str) -> Any:
        self.asked.append(request.command.name)
        answer = self.answers.pop(0) if self.answers else Answer(words="well")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    def __init__(self) -> None:
        self.clock = Turns()
        self.answers = FakeAnswers()
        self.publisher = LogPublisher()
        self.watch = Watch(self.publisher)
        self.admin = Admin(self.answers, self.watch, self.clock)


@pytest.fixture
def bench() -> Bench:
    return Bench()


DONE = {"type": "done", "rows": 0, "message": "well"}


def test_service_says_who_it_is(bench: Bench) -> None:
    assert bench.admin.hello["type"] == "hello"
    assert (bench.admin.hello["mailproxy"], bench.admin.hello["protocol"]) == (__version__, 1)


def test_rows_come_before_the_end(bench: Bench) -> None:
    bench.answers.answers = [Answer([Row(1), None, Row(2)])]  # type: ignore[list-item]  # a row of ours
    assert bench.admin.ask("show info") == [
        {"type": "row", "number": 1},
        {"type": "row", "number": 2},
        {"type": "done", "rows": 2, "message": ""},
    ]


def test_request_may_come_in_pieces(bench: Bench) -> None:
    for byte in b'{"command": "show info"}\n':
        bench.admin.client.dataReceived(bytes([byte]))
    bench.admin.turn()
    assert bench.admin.lines() == [DONE]


def test_requests_are_answered_one_after_the_other(bench: Bench) -> None:
    bench.admin.client.dataReceived(b'{"command": "show info"}\n{"command": "show servers"}\n')
    assert bench.answers.asked == ["show info"]
    bench.admin.turn()
    assert bench.answers.asked == ["show info", "show servers"]
    assert bench.admin.lines() == [DONE, DONE]


@pytest.mark.parametrize("line", [b"show info", b"[]", b"\xff", b"[" * 4000, b""])
def test_wrong_request_is_reported_and_the_next_one_answered(bench: Bench, line: bytes) -> None:
    bench.admin.client.dataReceived(line + b"\n")
    bench.admin.turn()
    (error,) = bench.admin.lines()
    assert error["error"].startswith("a request must be a JSON object")
    assert bench.admin.ask("show info") == [DONE]


def test_bad_command_is_reported_and_the_next_one_answered(bench: Bench) -> None:
    bench.answers.answers = [BadCommand("there is no such server")]
    assert bench.admin.ask("show info") == [{"type": "error", "error": "there is no such server"}]
    assert bench.admin.ask("show info") == [DONE]


def test_bug_is_logged_and_the_next_one_is_answered(bench: Bench) -> None:
    def broken() -> Iterator[Row]:
        yield Row(1)
        raise RuntimeError("bug")

    bench.answers.answers = [RuntimeError("bug"), Answer(broken())]  # type: ignore[arg-type]  # a row of ours
    with capturedLogs() as events:
        assert bench.admin.reply("show info").startswith("internal error")
        assert bench.admin.reply("show info").startswith("internal error")
    assert len(events) == 2
    assert bench.admin.ask("show info") == [DONE]


def test_answer_may_take_its_time(bench: Bench) -> None:
    later: Deferred[Answer] = Deferred()
    bench.answers.answers = [later]
    assert bench.admin.ask("show info") == []
    bench.clock.advance(2 * IDLE_SECONDS)
    assert bench.admin.ask("show info") == []
    later.callback(Answer(words="well"))
    bench.admin.turn()
    assert bench.admin.lines() == [DONE, DONE]


def test_answer_that_failed_is_reported(bench: Bench) -> None:
    later: Deferred[Answer] = Deferred()
    bench.answers.answers = [later]
    bench.admin.ask("show info")
    later.errback(BadCommand("no"))
    assert bench.admin.lines() == [{"type": "error", "error": "no"}]


def test_answer_that_comes_after_the_client_left_is_dropped(bench: Bench) -> None:
    for result in (Answer(words="well"), BadCommand("no")):
        later: Deferred[Answer] = Deferred()
        admin = Admin(bench.answers, bench.watch, bench.clock)
        bench.answers.answers = [later]
        admin.ask("show info")
        admin.lose()
        later.callback(result) if isinstance(result, Answer) else later.errback(result)
        assert admin.lines() == []


def test_what_is_to_follow_follows_when_the_answer_has_gone_out(bench: Bench) -> None:
    done: list[str] = []
    bench.answers.answers = [Answer(words="well", last=lambda: done.append("x"))]
    assert bench.admin.ask("show info") == [DONE]
    assert bench.admin.transport.disconnecting
    assert done == []
    bench.admin.lose()
    assert done == ["x"]


# Bounds.


def test_request_that_is_too_long_ends_the_connection(bench: Bench) -> None:
    bench.admin.client.dataReceived(b"x" * LONGEST_REQUEST)
    assert bench.admin.lines() == []
    bench.admin.client.dataReceived(b"x")
    (error,) = bench.admin.lines()
    assert error["error"] == f"the request has more than {LONGEST_REQUEST} bytes"
    assert bench.admin.transport.disconnecting


def test_line_without_end_is_refused_once_and_then_dropped(bench: Bench) -> None:
    tracemalloc.start()
    for _ in range(100):
        bench.admin.client.dataReceived(b"x" * 65536)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(bench.admin.lines()) == 1
    assert most < 10 * 65536


def test_nothing_is_read_while_an_answer_is_under_way(bench: Bench) -> None:
    later: Deferred[Answer] = Deferred()
    bench.answers.answers = [later]
    bench.admin.send(command="show info")
    bench.admin.client.dataReceived(b'{"command": "show servers"}\n' * 1000)
    assert not bench.admin.transport.is_reading
    later.callback(Answer(words="well"))
    bench.admin.turn(3000)
    assert bench.admin.transport.is_reading
    assert len(bench.admin.lines()) == 1001


def test_idle_client_gets_the_reason_and_is_closed(bench: Bench) -> None:
    bench.admin.ask("show info")
    bench.clock.advance(IDLE_SECONDS - 1)
    assert bench.admin.ask("show info") == [DONE]
    bench.clock.advance(IDLE_SECONDS - 1)
    assert bench.admin.lines() == []
    bench.clock.advance(1)
    assert bench.admin.lines() == [{"type": "error", "error": "there was no request for 60 s"}]
    assert bench.admin.transport.disconnecting


def test_bytes_without_a_line_do_not_keep_a_client(bench: Bench) -> None:
    for _ in range(int(IDLE_SECONDS) + 1):
        bench.admin.client.dataReceived(b"x")
        bench.clock.advance(1)
    assert bench.admin.transport.disconnecting


def test_client_that_does_not_take_the_end_is_cut_off(bench: Bench) -> None:
    bench.clock.advance(IDLE_SECONDS)
    bench.clock.advance(UNREAD_SECONDS - 1)
    assert not bench.admin.transport.is_aborted
    bench.clock.advance(1)
    assert bench.admin.transport.is_aborted


def test_others_have_their_turn_between_rows(bench: Bench) -> None:
    bench.answers.answers = [Answer(map(Row, range(3 * ROWS_PER_TURN)))]  # type: ignore[arg-type]  # rows of ours
    bench.admin.send(command="show info")
    counts = []
    for _ in range(4):
        counts.append(len(bench.admin.lines()))
        bench.clock.advance(TURN_SECONDS)
    assert counts == [ROWS_PER_TURN, ROWS_PER_TURN, ROWS_PER_TURN, 1]


def test_rows_are_made_only_while_the_client_reads(bench: Bench) -> None:
    made: list[int] = []

    def rows() -> Iterator[Row]:
        for number in range(10 * ROWS_PER_TURN):
            made.append(number)
            yield Row(number)

    bench.answers.answers = [Answer(rows())]  # type: ignore[arg-type]  # rows of ours
    bench.admin.transport.has_room = False
    bench.admin.send(command="show info")
    bench.admin.turn()
    assert len(made) == ROWS_PER_TURN
    bench.clock.advance(UNREAD_SECONDS - 1)
    bench.admin.transport.make_room()
    bench.clock.advance(UNREAD_SECONDS)
    bench.admin.turn()
    assert len(made) == 10 * ROWS_PER_TURN
    assert bench.admin.lines()[-1]["rows"] == 10 * ROWS_PER_TURN


def test_client_that_reads_nothing_is_cut_off(bench: Bench) -> None:
    bench.answers.answers = [Answer(map(Row, range(10 * ROWS_PER_TURN)))]  # type: ignore[arg-type]  # rows of ours
    bench.admin.transport.has_room = False
    bench.admin.send(command="show info")
    bench.clock.advance(UNREAD_SECONDS)
    assert bench.admin.transport.is_aborted


def test_client_that_reads_nothing_is_not_answered_again(bench: Bench) -> None:
    bench.admin.transport.has_room = False
    bench.admin.client.dataReceived(b'{"command": "show servers"}\n' * 1000)
    bench.admin.turn()
    assert len(bench.answers.asked) == 1
    bench.admin.transport.make_room()
    bench.admin.turn(3000)
    assert len(bench.answers.asked) == 1000


def test_lost_connection_leaves_nothing(bench: Bench) -> None:
    bench.answers.answers = [Answer(map(Row, range(10 * ROWS_PER_TURN)))]  # type: ignore[arg-type]  # rows of ours
    bench.admin.send(command="show info")
    assert bench.admin.clients == {bench.admin.client}
    bench.admin.lose()
    assert bench.admin.clients == set()
    assert bench.clock.getDelayedCalls() == []


# Watching.


def test_watcher_gets_what_happens(bench: Bench) -> None:
    bench.answers.answers = [Live("all")]
    assert bench.admin.ask("watch") == []
    Logger(namespace="mailproxy", observer=bench.publisher).info("x", event="ready")
    (event,) = bench.admin.lines()
    assert (event["type"], event["event"]) == ("event", "ready")
    bench.clock.advance(10 * IDLE_SECONDS)
    assert not bench.admin.transport.disconnecting
    bench.admin.lose()
    assert len(bench.watch) == 0


def test_watcher_that_does_not_read_stays_and_gets_the_number_of_lost_events(bench: Bench) -> None:
    log = Logger(namespace="mailproxy", observer=bench.publisher)
    bench.answers.answers = [Live("all")]
    bench.admin.ask("watch")
    bench.admin.transport.has_room = False
    for number in range(1000):
        log.info("x", event="ready", number=number, filling="x" * 1000)
        bench.clock.advance(1)
    reported = bench.admin.lines()
    assert len(reported) == 1
    bench.admin.transport.make_room()
    *reported, lost = [*reported, *bench.admin.lines()]
    assert lost == {"type": "lost", "events": 1000 - len(reported)}
    assert not bench.admin.transport.is_aborted


def test_watcher_that_asks_for_more_gets_an_error(bench: Bench) -> None:
    bench.answers.answers = [Live("all")]
    bench.admin.ask("watch")
    bench.admin.send(command="show info")
    (error,) = bench.admin.lines()
    assert "open another connection" in error["error"]
    assert len(bench.watch) == 0
