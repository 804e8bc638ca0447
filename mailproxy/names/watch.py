"""One question, asked again whenever its answer expires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mailproxy import config
from mailproxy.names.question import Answer, Denied, Found, NoAnswerError, Question
from mailproxy.names.trouble import Trouble

# Denied records are kept for ``hold-nx``, because a denial may be a short error. HAProxy counts from the last good
# answer, of which it gets one a second; with TTLs of minutes that answer may be too old, so the time counts from the
# first denial here. Meanwhile the question is asked again this many times.
CONFIRMATIONS = 3

# The time until a name that does not exist is looked up again.
DENIED_SECONDS = 30.0

# The waits between questions without an answer: doubled from the first to the last.
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 30.0


class Asks(Protocol):
    """Answers questions."""

    async def ask(self, question: Question) -> Answer:
        """Return the answer; raise `NoAnswerError`."""


class Watch:
    """
    The current answer to one question (mutable).

    The last good answer is kept while DNS fails. A denial is an answer: it removes the records after ``hold-nx``, or at
    once if none were known.
    """

    _log = Logger()

    def __init__(
        self,
        question: Question,
        resolver: Asks,
        settings: config.Resolvers,
        clock: IReactorTime,
        trouble: Trouble,
        changed: Callable[[], None],
    ) -> None:
        self.question = question
        self.values: tuple[Any, ...] | None = None
        """The records; () if there are none; None while they are unknown."""
        self.is_settled = False
        """Whether DNS has answered or failed at least once."""
        self.denial = ""
        """The reason if there are none."""
        self._resolver = resolver
        self._settings = settings
        self._clock = clock
        self._trouble = trouble
        self._changed = changed
        self._denied_since: float | None = None
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._is_cut = False
        self._asking: Deferred[None] | None = None
        self._call: IDelayedCall | None = clock.callLater(0.0, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        self._trouble.forget(self.question)
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _ask(self) -> None:
        self._call = None
        asking = Deferred.fromCoroutine(self._resolver.ask(self.question))
        self._asking = asking.addCallbacks(self._answered, self._not_answered).addErrback(self._broke)

    def _answered(self, answer: Answer) -> None:
        self._trouble.note_answer(self.question)
        self._retry_seconds = FIRST_RETRY_SECONDS
        if isinstance(answer, Found):
            self._found(answer)
        else:
            self._denied(answer)

    def _not_answered(self, failure: Failure) -> None:
        if failure.check(CancelledError) is not None:
            return
        if failure.check(NoAnswerError) is None:
            # Our bug: this name may become outdated, the others do not.
            self._log.failure("bug in asking for {question}", failure=failure, question=str(self.question))
        self._trouble.note_failure(self.question, failure.getErrorMessage())
        seconds = self._retry_seconds
        self._retry_seconds = min(2 * seconds, LAST_RETRY_SECONDS)
        self._next(self.values, seconds)

    def _found(self, answer: Found) -> None:
        self._denied_since = None
        if answer.left_out and not self._is_cut:
            self._log.warn(
                "{question} has {count} records, of which {used} are used",
                event="name-cut",
                question=str(self.question),
                count=answer.left_out + len(answer.values),
                used=len(answer.values),
            )
        self._is_cut = answer.left_out > 0
        self._next(answer.values, min(max(answer.ttl, self._settings.hold_valid), self._settings.max_ttl))

    def _denied(self, answer: Denied) -> None:
        self.denial = answer.reason
        now = self._clock.seconds()
        if not self.values:
            self._next((), DENIED_SECONDS)
            return
        hold = self._settings.hold_nx
        if self._denied_since is None:
            self._denied_since = now
            self._next(self.values, hold / CONFIRMATIONS)
        elif now - self._denied_since < hold:
            self._next(self.values, hold / CONFIRMATIONS)
        else:
            self._denied_since = None
            self._next((), DENIED_SECONDS)

    def _next(self, values: tuple[Any, ...] | None, seconds: float) -> None:
        """Keep the current values, and ask again after `seconds`."""
        self._call = self._clock.callLater(seconds, self._ask)
        # Nameservers return the same records in changing orders.
        is_same = values == self.values or (values and self.values and set(values) == set(self.values))
        if not is_same:
            self.values = values
        if not is_same or not self.is_settled:
            self.is_settled = True
            self._changed()

    def _broke(self, failure: Failure) -> None:
        self._log.failure("bug in the answer to {question}", failure=failure, question=str(self.question))
