"""Questions of the main process to workers: each has an answer, or fails when the worker ends or is late."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mailproxy.process.member import Member
from mailproxy.process.message import Answer, Ask

# The time that a worker has for an answer.
ANSWER_SECONDS = 5.0


class NoAnswerError(Exception):
    """A worker does not answer; the text has the reason."""


class OpenQuestions:
    """The questions without an answer yet (mutable)."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._asked = 0
        self._open: dict[int, tuple[Member, Deferred[Any]]] = {}

    def ask(self, member: Member, question: Any) -> Deferred[Any]:
        """Ask a worker; the Deferred has the answer, and fails if the worker ends or the answer is late."""
        self._asked += 1
        number = self._asked
        answer: Deferred[Any] = Deferred()
        self._open[number] = member, answer
        member.channel.send(Ask(number, question))
        answer.addTimeout(ANSWER_SECONDS, self._clock)
        return answer.addBoth(self._over, number)

    def _over(self, result: Any, number: int) -> Any:
        self._open.pop(number, None)
        return result

    def answered(self, answer: Answer) -> None:
        """Take an answer; one that is late is ignored."""
        _, waiting = self._open.get(answer.number, (None, None))
        if waiting is None:
            return
        if answer.problem:
            waiting.errback(NoAnswerError(answer.problem))
        else:
            waiting.callback(answer.value)

    def fail(self, member: Member) -> None:
        """Let the questions to a worker that has ended fail."""
        for asked, answer in list(self._open.values()):
            if asked is member:
                answer.errback(NoAnswerError("the worker has ended"))
