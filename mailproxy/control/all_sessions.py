"""The sessions of all processes, as the answer to an administrator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mailproxy.control.command import BY_NAME
from mailproxy.control.grammar import Request
from mailproxy.control.questions import Ask, Question
from mailproxy.control.running import Running
from mailproxy.control.session_pages import SessionPage, SessionsFrom
from mailproxy.control.session_status import session_statuses
from mailproxy.control.status import SessionStatus


def sessions(
    running: Running, others: Sequence[Ask], filters: Mapping[str, str]
) -> Iterator[SessionStatus | Deferred[None] | None]:
    """Yield the sessions of this process, then those of the others, with a Deferred before each page of these."""
    yield from session_statuses(running, Request(BY_NAME["show sessions"], filters).read())
    for ask in others:
        number: int | None = -1
        while number is not None:
            pages: list[SessionPage] = []
            yield _asked(ask, SessionsFrom(filters, number), pages)
            number = None
            for page in pages:
                yield from page.sessions
                number = page.last


def _asked(ask: Ask, question: Question, pages: list[SessionPage]) -> Deferred[None]:
    """Ask for a page; a process that has ended adds none to `pages`. It may be cancelled: the client has left."""

    def take(answer: object) -> None:
        if isinstance(answer, SessionPage):
            pages.append(answer)

    def go_on(failure: Failure) -> Failure | None:
        return failure if failure.check(CancelledError) else None

    return ask(question).addCallbacks(take, go_on)
