"""Reloads, one at a time."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from mailproxy.config.difference import Difference
from mailproxy.front.reload_queue import Reloaded, ReloadQueue, ReloadRefused


class Front:
    """A reload that the test starts and ends."""

    def __init__(self) -> None:
        self.begun: list[Deferred[Reloaded]] = []
        self.reloads = ReloadQueue(self._reload)
        self.reported: list[object] = []

    def _reload(self) -> Deferred[Reloaded]:
        self.begun.append(Deferred())
        return self.begun[-1]

    def ask(self) -> None:
        """Request a reload, and record its result or error."""
        self.reloads.ask().addCallbacks(self.reported.append, lambda failure: self.reported.append(failure.value))


def result(number: int) -> Reloaded:
    return Reloaded((Difference("+", f"frontend {number}"),))


@pytest.fixture
def front() -> Front:
    return Front()


def test_request_gets_what_changed(front: Front) -> None:
    front.ask()
    assert front.reported == []
    front.begun[0].callback(result(1))
    assert front.reported == [result(1)]


def test_those_who_ask_meanwhile_have_the_next_one_together(front: Front) -> None:
    for _ in range(4):
        front.ask()
    assert len(front.begun) == 1
    front.begun[0].callback(result(1))
    assert front.reported == [result(1)]
    assert len(front.begun) == 2
    front.begun[1].callback(result(2))
    assert front.reported == [result(1), result(2), result(2), result(2)]
    assert len(front.begun) == 2


def test_error_is_reported_and_the_next_one_comes_nevertheless(front: Front) -> None:
    error = ReloadRefused("no")
    front.ask()
    front.ask()
    front.begun[0].errback(error)
    front.begun[1].callback(result(2))
    assert front.reported == [error, result(2)]


def test_reload_that_is_over_at_once_does_not_nest() -> None:
    depth: list[int] = []

    def reload() -> Deferred[Reloaded]:
        depth.append(1)
        done: Deferred[Reloaded] = Deferred()
        done.callback(result(len(depth)))
        return done

    reloads = ReloadQueue(reload)
    reported: list[object] = []
    reloads.ask().addCallback(lambda first: reloads.ask().addCallback(reported.append))
    assert reported == [result(2)]


def test_end_is_reported_to_all_that_wait(front: Front) -> None:
    front.ask()
    front.ask()
    front.reloads.close("mailproxy stops")
    assert list(map(str, front.reported)) == ["mailproxy stops", "mailproxy stops"]
    front.begun[0].callback(result(1))
    assert len(front.begun) == 1
    front.ask()
    assert str(front.reported[2]) == "mailproxy stops"
