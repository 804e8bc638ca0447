"""Asks the service again and again for what is shown, as often as the interval says and the service can bear."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event, Thread

from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse
from mailproxy.top.mailbox import Mailbox
from mailproxy.top.sample import ALWAYS, CERTIFICATES, FRONTENDS, Row, Sample

SHARE = 20
"""An answer that takes long is asked for less often: after 20 times the time that it took."""

SLOW = {CERTIFICATES: 30.0}
"""Seconds between two answers that seldom change."""

MAX_ROWS = 2000
"""The most rows of an answer that are kept; nobody scrolls through more."""

AGAIN_SECONDS = 1.0
"""The time between two attempts to connect."""

Clock = Callable[[], float]


class Answers:
    """The answers of one connection (mutable)."""

    def __init__(self, call: Call, interval: float, clock: Clock = time.monotonic) -> None:
        self._call = call
        self._interval = interval
        self._clock = clock
        self._at = 0.0
        self._due: dict[str, float] = {}
        self._rows: dict[str, Sequence[Row]] = {}
        self._refused: dict[str, str] = {}

    def ask(self, questions: Sequence[str]) -> Sample:
        """Ask the questions that are due, and return a sample of all answers; raise `NoService`."""
        wanted = (*ALWAYS, *questions)
        for question in wanted:
            began = self._clock()
            if began >= self._due.get(question, began):
                self._put(question)
                if question == FRONTENDS:
                    self._at = began
                took = self._clock() - began
                # A little less than the interval: the next round begins after the time that this one took.
                pause = max(SLOW.get(question, 0.9 * self._interval), SHARE * took)
                self._due[question] = began + pause
        return Sample(self._at, {one: self._rows[one] for one in wanted if one in self._rows}, dict(self._refused))

    def _put(self, question: str) -> None:
        rows: list[Row] = []
        self._refused.pop(question, None)
        for line in self._call.ask(parse(question.split())):
            if line.get("type") == "row" and len(rows) < MAX_ROWS:
                rows.append(line)
            elif line.get("type") == "error":
                self._refused[question] = str(line.get("error"))
        self._rows[question] = rows


class Asker(Thread):
    """Asks until it is told to stop, and connects again when the service was away."""

    def __init__(
        self,
        path: Callable[[], str],
        interval: float,
        mailbox: Mailbox,
        questions: Sequence[str],
        retry_seconds: float = AGAIN_SECONDS,
    ) -> None:
        """`path` returns the path of the admin socket; it may raise `NoService`."""
        super().__init__(name="asker", daemon=True)
        self._path = path
        self._interval = interval
        self._mailbox = mailbox
        self._questions = questions
        self._retry_seconds = retry_seconds
        self._wake = Event()
        self._is_over = False

    def want(self, questions: Sequence[str]) -> None:
        """Ask these questions from now on; at once, if they are others."""
        if questions != self._questions:
            self._questions = questions
            self._wake.set()

    def stop(self) -> None:
        """Ask no more."""
        self._is_over = True
        self._wake.set()

    def run(self) -> None:
        """Ask, in a thread."""
        while not self._is_over:
            try:
                with Call(self._path()) as call:
                    self._ask(call)
            except NoService as error:
                self._mailbox.fail(str(error))
            self._wait(self._retry_seconds)

    def _ask(self, call: Call) -> None:
        answers = Answers(call, self._interval)
        while not self._is_over:
            self._mailbox.put(answers.ask(self._questions))
            self._wait(self._interval)

    def _wait(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
