"""One question over time, with answers that a test gives."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from mailproxy.config import Resolvers
from mailproxy.names.question import Answer, Denied, Found, NoAnswerError, Question
from mailproxy.names.trouble import Trouble
from mailproxy.names.watch import CONFIRMATIONS, DENIED_SECONDS, Watch
from tests.names.builders import A

NX = Denied("NXDOMAIN")

CONFIRM_SECONDS = Resolvers().hold_nx / CONFIRMATIONS


class Script:
    """Answers as a test says, and keeps the questions that it has not answered."""

    def __init__(self) -> None:
        self.asked: list[Deferred[Answer]] = []

    async def ask(self, question: Question) -> Answer:
        assert question == A
        self.asked.append(Deferred())
        return await self.asked[-1]


class Play:
    """A watch, its clock, and what it has told."""

    def __init__(self, events: Any, settings: Resolvers) -> None:
        self.events = events
        self.clock = Clock()
        self.script = Script()
        self.reported: list[Any] = []
        self.watch = Watch(A, self.script, settings, self.clock, Trouble(self.clock), self._changed)
        self.clock.advance(0)

    def _changed(self) -> None:
        self.reported.append(self.watch.values)

    def answer(self, answer: Answer | Exception) -> None:
        waiting = self.script.asked.pop()
        if isinstance(answer, Exception):
            waiting.errback(answer)
        else:
            waiting.callback(answer)

    def is_asked_after(self, seconds: float) -> bool:
        assert self.script.asked == []
        self.clock.advance(seconds * 0.999)
        assert self.script.asked == []
        self.clock.advance(seconds * 0.001)
        return len(self.script.asked) == 1


@pytest.fixture
def settings() -> Resolvers:
    return Resolvers()


@pytest.fixture
def play(settings: Resolvers) -> Iterator[Play]:
    with capturedLogs() as events:
        yield Play(events, settings)


def found(*addresses: str, ttl: float = 60.0, left_out: int = 0) -> Found:
    return Found(tuple(map(ip_address, addresses)), ttl, left_out)


ONE, TWO = found("192.0.2.1"), found("192.0.2.2")


def test_nothing_is_asked_before_the_reactor_turns() -> None:
    clock, script = Clock(), Script()
    Watch(A, script, Resolvers(), clock, Trouble(clock), lambda: None)
    assert script.asked == []
    clock.advance(0)
    assert len(script.asked) == 1


def test_answer_is_reported(play: Play) -> None:
    play.answer(ONE)
    assert play.reported == [ONE.values]


def test_question_is_asked_again_when_its_ttl_is_over(play: Play) -> None:
    play.answer(found("192.0.2.1", ttl=77.0))
    assert play.is_asked_after(77.0)


def test_ttl_of_nothing_is_a_second(play: Play) -> None:
    play.answer(found("192.0.2.1", ttl=0.0))
    assert play.is_asked_after(1.0)


def test_ttl_of_days_is_an_hour(play: Play) -> None:
    play.answer(found("192.0.2.1", ttl=86400.0))
    assert play.is_asked_after(3600.0)


def test_same_answer_is_not_reported_again(play: Play) -> None:
    play.answer(found("192.0.2.1", "192.0.2.2"))
    play.clock.advance(60.0)
    play.answer(found("192.0.2.2", "192.0.2.1"))
    assert len(play.reported) == 1


def test_other_answer_is_reported(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    play.answer(TWO)
    assert play.reported == [ONE.values, TWO.values]


def test_last_good_answer_stays_while_there_is_none(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    for _ in range(20):
        play.answer(NoAnswerError("SERVFAIL"))
        play.clock.advance(30.0)
    assert play.reported == [ONE.values]


def test_waits_grow_while_there_is_no_answer(play: Play) -> None:
    for seconds in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        play.answer(NoAnswerError("SERVFAIL"))
        assert play.is_asked_after(seconds)


def test_waits_begin_again_after_an_answer(play: Play) -> None:
    play.answer(NoAnswerError("SERVFAIL"))
    play.clock.advance(1.0)
    play.answer(ONE)
    play.clock.advance(60.0)
    play.answer(NoAnswerError("SERVFAIL"))
    assert play.is_asked_after(1.0)


def test_failure_at_the_start_settles_without_knowing_anything(play: Play) -> None:
    assert not play.watch.is_settled
    play.answer(NoAnswerError("SERVFAIL"))
    assert play.watch.is_settled
    assert play.reported == [None]


def test_denial_at_the_start_is_reported_at_once(play: Play) -> None:
    play.answer(NX)
    assert play.reported == [()]
    assert play.watch.denial == "NXDOMAIN"
    assert play.is_asked_after(DENIED_SECONDS)


def test_records_are_held_when_they_are_denied(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    play.answer(NX)
    assert play.reported == [ONE.values]
    assert play.is_asked_after(CONFIRM_SECONDS)


def test_denial_that_lasts_takes_the_records(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    for _ in range(CONFIRMATIONS):
        play.answer(NX)
        play.clock.advance(CONFIRM_SECONDS)
    assert play.reported == [ONE.values]
    play.answer(NX)
    assert play.reported == [ONE.values, ()]
    assert play.is_asked_after(DENIED_SECONDS)


def test_denial_is_forgotten_by_the_next_answer(play: Play) -> None:
    play.answer(ONE)
    for _ in range(10):
        play.clock.advance(60.0)
        play.answer(NX)
        play.clock.advance(CONFIRM_SECONDS)
        play.answer(ONE)
    assert play.reported == [ONE.values]


def test_denial_needs_a_second_one_however_late(play: Play) -> None:
    play.answer(found("192.0.2.1", ttl=3600.0))
    play.clock.advance(3600.0)
    play.answer(NX)
    assert play.reported == [ONE.values]


def test_denials_with_silence_between_them_count(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    play.answer(NX)
    play.clock.advance(CONFIRM_SECONDS)
    for seconds in (1.0, 2.0, 4.0, 8.0, 16.0):
        play.answer(NoAnswerError("no answer"))
        play.clock.advance(seconds)
    assert play.reported == [ONE.values]
    play.answer(NX)
    assert play.reported == [ONE.values, ()]


def test_answer_that_says_none_counts_at_once(play: Play) -> None:
    play.answer(ONE)
    play.clock.advance(60.0)
    play.answer(found())
    assert play.reported == [ONE.values, ()]


def test_what_did_not_exist_may_come(play: Play) -> None:
    play.answer(NX)
    play.clock.advance(DENIED_SECONDS)
    play.answer(ONE)
    assert play.reported == [(), ONE.values]


def test_cut_answer_is_logged_once(play: Play) -> None:
    for _ in range(3):
        play.answer(found("192.0.2.1", left_out=3))
        play.clock.advance(60.0)
    assert [formatEvent(event) for event in play.events] == ["imap.example.org A has 4 records, of which 1 are used"]


@pytest.mark.parametrize("where", ["asking", "listener"])
def test_bug_is_logged_and_the_watch_continues(where: str) -> None:
    clock, script = Clock(), Script()

    def changed() -> None:
        if where == "listener":
            raise ZeroDivisionError

    Watch(A, script, Resolvers(), clock, Trouble(clock), changed)
    clock.advance(0)
    with capturedLogs() as events:
        if where == "asking":
            script.asked.pop().errback(ZeroDivisionError())
        else:
            script.asked.pop().callback(found("192.0.2.1", ttl=1.0))
    assert [event["log_failure"].type for event in events] == [ZeroDivisionError]
    clock.advance(1.0)
    assert len(script.asked) == 1


def test_stop_leaves_no_timer_and_no_question(play: Play) -> None:
    waiting = play.script.asked[-1]
    play.watch.stop()
    assert waiting.called
    assert play.clock.getDelayedCalls() == []
    assert play.reported == []


def test_stop_between_questions_leaves_no_timer(play: Play) -> None:
    play.answer(ONE)
    play.watch.stop()
    assert play.clock.getDelayedCalls() == []


def test_stop_while_an_answer_is_reported_leaves_no_timer() -> None:
    clock, script = Clock(), Script()
    watch = Watch(A, script, Resolvers(), clock, Trouble(clock), lambda: watch.stop())
    clock.advance(0)
    script.asked[0].callback(ONE)
    assert clock.getDelayedCalls() == []
