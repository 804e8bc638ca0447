"""How often failures of DNS are logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from mailproxy.names.question import Question
from mailproxy.names.trouble import FURTHER_REPORT_SECONDS, REPORT_SECONDS, Trouble
from tests.names.builders import AAAA, A


class Lines:
    """The log lines, and the trouble that writes them."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self.clock = Clock()
        self.trouble = Trouble(self.clock)

    def later(self, seconds: float = REPORT_SECONDS) -> list[str]:
        self.clock.advance(seconds)
        lines = [formatEvent(event) for event in self._events]
        self._events.clear()
        return lines


@pytest.fixture
def lines() -> Iterator[Lines]:
    with capturedLogs() as events:
        yield Lines(events)


def test_first_failure_is_reported(lines: Lines) -> None:
    lines.trouble.note_failure(A, "192.0.2.53:53: no answer within 1 s")
    assert lines.later() == [
        "DNS fails for imap.example.org A: 192.0.2.53:53: no answer within 1 s; the last good answers stay"
    ]


def test_failures_that_continue_are_reported_once(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.later()
    lines.trouble.note_failure(A, "no answer")
    assert lines.later() == []
    assert lines.clock.getDelayedCalls() == []


def test_failures_of_many_names_are_one_line(lines: Lines) -> None:
    for n in range(10):
        lines.trouble.note_failure(Question(f"d{n}", "A"), "SERVFAIL")
    assert lines.later() == ["DNS fails for d0 A, d1 A, d2 A, d3 A and 6 more: SERVFAIL; the last good answers stay"]


def test_names_that_join_in_later_are_reported_a_minute_at_a_time(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.later()
    reported = []
    for n in range(10, 40):
        lines.trouble.note_failure(Question(f"d{n}", "A"), "SERVFAIL")
        reported += lines.later(4.0)
    assert [line.partition(":")[0] for line in reported] == [
        "DNS fails for d10 A, d11 A, d12 A, d13 A and 11 more",
        "DNS fails for d25 A, d26 A, d27 A, d28 A and 11 more",
    ]


def test_end_of_all_failures_does_not_wait_for_the_minute(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.later()
    lines.trouble.note_failure(AAAA, "SERVFAIL")
    lines.trouble.note_answer(A)
    lines.trouble.note_answer(AAAA)
    assert lines.later() == ["DNS works again for imap.example.org A"]


def test_end_of_all_failures_is_reported(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.later()
    lines.trouble.note_answer(A)
    assert lines.later() == ["DNS works again for imap.example.org A"]


def test_end_of_some_failures_says_how_many_are_left(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.trouble.note_failure(AAAA, "SERVFAIL")
    lines.later()
    lines.trouble.note_answer(A)
    assert lines.later(FURTHER_REPORT_SECONDS) == ["DNS works again for imap.example.org A; it fails for 1 others"]


def test_failure_that_is_over_at_once_is_not_reported(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.trouble.note_answer(A)
    assert lines.later() == []


def test_answers_without_failures_are_not_reported(lines: Lines) -> None:
    lines.trouble.note_answer(A)
    assert lines.later() == []


def test_forgotten_question_is_not_reported(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.later()
    lines.trouble.forget(A)
    assert lines.later() == []


def test_nothing_is_reported_after_the_stop(lines: Lines) -> None:
    lines.trouble.note_failure(A, "SERVFAIL")
    lines.trouble.stop()
    assert lines.later() == []
    assert lines.clock.getDelayedCalls() == []
