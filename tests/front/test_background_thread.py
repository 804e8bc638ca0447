"""Work in a thread, while the reactor runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from functools import partial
from queue import Queue

import pytest

from mailproxy.front.background_thread import SWITCH_SECONDS, BackgroundThread
from tests.garbage import garbage, only_new_garbage


class Reactor:
    """What runs in its own thread what other threads leave to it."""

    def __init__(self) -> None:
        self._calls: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self._calls.put(lambda: call(*arguments))

    def turn(self) -> None:
        self._calls.get(timeout=10)()


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


def test_result_is_reported_in_the_thread_of_the_reactor(reactor: Reactor) -> None:
    reported: list[object] = []
    BackgroundThread(reactor).do(threading.current_thread).addCallback(
        lambda thread: reported.extend((thread is threading.current_thread(), threading.current_thread()))
    )
    assert reported == []
    reactor.turn()
    assert reported == [False, threading.main_thread()]


def test_error_is_reported(reactor: Reactor) -> None:
    reported: list[object] = []
    BackgroundThread(reactor).do(lambda: 1 // 0).addErrback(lambda failure: reported.append(failure.type))
    reactor.turn()
    assert reported == [ZeroDivisionError]


def test_error_leaves_nothing_to_the_garbage_collector(reactor: Reactor) -> None:
    with only_new_garbage():
        BackgroundThread(reactor).do(lambda: 1 // 0).addErrback(lambda failure: None)
        reactor.turn()
        assert garbage() == []


def test_work_comes_one_by_one_and_the_reactor_waits_less_for_its_turn_meanwhile(reactor: Reactor) -> None:
    usual = sys.getswitchinterval()
    go = threading.Event()
    background = BackgroundThread(reactor)
    order: list[int] = []

    def first() -> None:
        go.wait(10)
        order.append(1)

    background.do(first)
    background.do(partial(order.append, 2))
    background.do(partial(order.append, 3))
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS, abs=1e-5)
    go.set()
    reactor.turn()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS, abs=1e-5)
    reactor.turn()
    reactor.turn()
    assert sys.getswitchinterval() == pytest.approx(usual, abs=1e-5)
    assert order == [1, 2, 3]
