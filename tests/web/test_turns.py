"""The time that HTTP takes from the sessions."""

from functools import partial

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from mailproxy.web.turns import REST, Turns


def _note(order: list[int], number: int, nothing: None) -> None:
    order.append(number)


def test_each_piece_has_a_turn_of_the_reactor() -> None:
    clock = Clock()
    turns = Turns(clock, clock.seconds)
    order: list[int] = []
    for number in range(3):
        turns.next().addCallback(partial(_note, order, number))
    assert order == []
    clock.calls[0].func(*clock.calls.pop(0).args)
    assert order == [0]
    clock.advance(0)
    assert order == [0, 1, 2]


def test_urgent_request_is_first() -> None:
    clock = Clock()
    turns = Turns(clock, clock.seconds)
    order: list[int] = []
    for number in range(4):
        turns.next(is_urgent=number >= 2).addCallback(partial(_note, order, number))
    clock.pump([0.0] * 4)
    assert order == [2, 3, 0, 1]


def test_rest_is_a_multiple_of_the_work() -> None:
    clock = Clock()
    working = 0.0
    turns = Turns(clock, lambda: working)

    def work(nothing: None) -> None:
        nonlocal working
        working += 0.01

    done: list[Deferred[None]] = []
    for _ in range(2):
        done.append(turns.next().addCallback(work))
    clock.advance(0)
    assert [one.called for one in done] == [True, False]
    clock.advance(REST * 0.01 - 0.001)
    assert not done[1].called
    clock.advance(0.001)
    assert done[1].called
    later = turns.next()
    clock.advance(REST * 0.01 - 0.001)
    assert not later.called


def test_request_that_was_cancelled_has_no_turn() -> None:
    clock = Clock()
    turns = Turns(clock, clock.seconds)
    first, second = turns.next(), turns.next()
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()
    clock.advance(0)
    assert second.called


def test_no_turn_begins_after_the_end() -> None:
    clock = Clock()
    turns = Turns(clock, clock.seconds)
    waiting = turns.next()
    ended: list[object] = []
    waiting.addErrback(lambda failure: ended.append(failure.trap(CancelledError)))
    turns.stop()
    assert ended == [CancelledError]
    assert clock.calls == []
