"""The form of a view and of its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from mailproxy.top.letters import Charset
from mailproxy.top.model import Model
from mailproxy.top.styled import Line, line


@frozen
class Facts:
    """What a page is written from."""

    model: Model
    width: int
    charset: Charset
    order: str = ""
    """The chosen order, one of the view's."""
    wanted: str = ""
    """The filter."""


@frozen
class Page:
    """A page: a heading that stays, and lines that scroll."""

    lines: Sequence[Line]
    heading: Line = ()


@frozen
class View:
    """One view."""

    name: str
    page: Callable[[Facts], Page]
    questions: tuple[str, ...] = ()
    """The questions whose answers it shows, besides those that all views need."""
    orders: tuple[str, ...] = ()
    """The words for the orders of its rows; the first one is usual."""
    question_by_order: Callable[[str], str] | None = None
    """A further question, which depends on the order."""

    def order(self, number: int) -> str:
        """Return the order with this number; after the last one, the first one follows."""
        return self.orders[number % len(self.orders)] if self.orders else ""

    def asks(self, order: str) -> tuple[str, ...]:
        """Return all questions whose answers it shows in an order."""
        return self.questions if self.question_by_order is None else (*self.questions, self.question_by_order(order))


def or_none(lines: Sequence[Line], facts: Facts, nothing: str) -> Sequence[Line]:
    """Return the lines; if there are none, one that says why."""
    if lines:
        return lines
    return [line(f"nothing here contains {facts.wanted!r}" if facts.wanted else nothing, "faint")]
