"""The value of a fact that is not known yet, and three-valued logic (Kleene's): true, false, and undecided (None)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, TypeAlias, TypeVar

S = TypeVar("S")

Truth: TypeAlias = bool | None
"""None: undecided, until more facts are known."""

Test: TypeAlias = Callable[[S], Truth]
"""A question about a client."""


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "not known"


UNKNOWN: Final = Unknown.UNKNOWN
"""Stands for a fact that only TLS will tell."""


def all_of(tests: Sequence[Test[S]]) -> Test[S]:
    """Return the test that is false if one of `tests` is, and else undecided if one of them is."""
    if len(tests) == 1:
        return tests[0]
    fixed = tuple(tests)

    def holds(subject: S) -> Truth:
        result: Truth = True
        for test in fixed:
            matched = test(subject)
            if matched is False:
                return False
            if matched is None:
                result = None
        return result

    return holds


def any_of(tests: Sequence[Test[S]]) -> Test[S]:
    """Return the test that is true if one of `tests` is, and else undecided if one of them is."""
    fixed = tuple(tests)

    def holds(subject: S) -> Truth:
        result: Truth = False
        for test in fixed:
            matched = test(subject)
            if matched:
                return True
            if matched is None:
                result = None
        return result

    return holds


def negation(test: Test[S]) -> Test[S]:
    """Return the test that is true if `test` is false."""

    def holds(subject: S) -> Truth:
        matched = test(subject)
        return None if matched is None else not matched

    return holds
