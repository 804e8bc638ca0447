"""Watches with answers from a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailproxy.names.question import Question


class SetWatch:
    """What hosts and services see of a `Watch`."""

    def __init__(self, watches: Watches, question: Question, changed: Callable[[], None]) -> None:
        self.values: tuple[Any, ...] | None = None
        self.is_settled = False
        self.denial = ""
        self._watches = watches
        self._question = question
        self._changed = changed

    def settle(self, values: tuple[Any, ...] | None, denial: str) -> None:
        self.values, self.is_settled, self.denial = values, True, denial
        self._changed()

    def stop(self) -> None:
        del self._watches.open[self._question]


class Watches:
    """Makes them, one for each question."""

    def __init__(self) -> None:
        self.open: dict[Question, SetWatch] = {}

    def __call__(self, question: Question, changed: Callable[[], None]) -> Any:
        assert question not in self.open
        self.open[question] = SetWatch(self, question, changed)
        return self.open[question]

    def settle(self, question: Question, values: tuple[Any, ...] | None, denial: str = "") -> None:
        self.open[question].settle(values, denial)
