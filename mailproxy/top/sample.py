"""The answers of the service at one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

Row = Mapping[str, Any]

INFO = "show info"
FRONTENDS = "show frontends"
BACKENDS = "show backends"
SERVERS = "show servers"
CERTIFICATES = "show certificates"

ALWAYS = (INFO, FRONTENDS)
"""What the first lines of every view need."""


@frozen
class Sample:
    """The answers to questions, which are commands of ctl."""

    at: float
    """When the counters were read, by a clock that is not set."""
    rows: Mapping[str, Sequence[Row]]
    """By question."""
    refused: Mapping[str, str] = {}
    """By question: why the service does not answer it."""

    @property
    def info(self) -> Row:
        """The process."""
        return next(iter(self.of(INFO)), {})

    def of(self, question: str) -> Sequence[Row]:
        """Return the rows of an answer; none if it has not come."""
        return self.rows.get(question, ())


def number(row: Row, key: str) -> float:
    """Return a number of a row; 0 if it has none."""
    value = row.get(key)
    return value if isinstance(value, int | float) else 0
