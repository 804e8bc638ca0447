"""
The log lines about DNS failures: one at the beginning and one at the end, for all names together.

During a long failure, further names fail as their TTLs run out; they get a line a minute.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mailproxy.names.question import Question

# Failures within this time after the first one are in the same line; those that are over by then are in none.
REPORT_SECONDS = 5.0

# How long changes wait while DNS still fails for some names.
FURTHER_REPORT_SECONDS = 60.0

# The most questions in a line, before it counts the rest.
SHOWN_QUESTIONS = 4


class Trouble:
    """The questions without an answer now (mutable)."""

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._reasons: dict[Question, str] = {}
        self._reported: set[Question] = set()
        self._call: IDelayedCall | None = None

    def note_failure(self, question: Question, reason: str) -> None:
        """Note that a question has not been answered."""
        self._reasons[question] = reason
        self._report_soon()

    def note_answer(self, question: Question) -> None:
        """Note that a question has been answered."""
        if self._reasons.pop(question, None) is not None:
            self._report_soon()

    def forget(self, question: Question) -> None:
        """Note that a question is not in use any more."""
        self._reasons.pop(question, None)
        self._reported.discard(question)

    def stop(self) -> None:
        """Stop logging."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _report_soon(self) -> None:
        if self._reported == set(self._reasons):
            return
        begins_or_ends = not self._reported or not self._reasons
        seconds = REPORT_SECONDS if begins_or_ends else FURTHER_REPORT_SECONDS
        if self._call is None:
            self._call = self._clock.callLater(seconds, self._report)
        elif self._call.getTime() > self._clock.seconds() + seconds:
            self._call.reset(seconds)

    def _report(self) -> None:
        self._call = None
        new = [question for question in self._reasons if question not in self._reported]
        over = [question for question in self._reported if question not in self._reasons]
        self._reported = set(self._reasons)
        if new:
            self._log.warn(
                "DNS fails for {questions}: {reason}; the last good answers stay",
                event="dns-fails",
                questions=_shown(new),
                reason=self._reasons[new[0]],
            )
        if over:
            self._log.info(
                "DNS works again for {questions}; it fails for {left} others"
                if self._reported
                else "DNS works again for {questions}",
                event="dns-works",
                questions=_shown(over),
                left=len(self._reported),
            )


def _shown(questions: Iterable[Question]) -> str:
    words = sorted(map(str, questions))
    rest = len(words) - SHOWN_QUESTIONS
    return ", ".join(words[:SHOWN_QUESTIONS]) + (f" and {rest} more" if rest > 0 else "")
