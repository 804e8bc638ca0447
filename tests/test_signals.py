"""Signals to a process that serves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, LogLevel, capturedLogs

from mailproxy.front.reload_queue import Reloaded, ReloadRefused
from mailproxy.signals import RELOADS, STOPS, Signals


class FakeStop:
    """The stop of the service."""

    def __init__(self) -> None:
        self.has_begun = False
        self.hurried = 0

    def hurry(self) -> None:
        self.hurried += 1


class FakeService:
    """A service that notes what signals have it do."""

    def __init__(self) -> None:
        self.stop: Any = FakeStop()
        self.reloads: list[Deferred[Reloaded]] = []
        self.has_file = True
        self.reopened = 0

    def reload(self) -> Deferred[Reloaded]:
        self.reloads.append(Deferred())
        return self.reloads[-1]

    def reopen_log(self) -> bool:
        self.reopened += 1
        return self.has_file


class Reactor:
    """What a reactor has to do with signals: it starts, takes SIGTERM then, and runs what a handler leaves to it."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []
        self.when_running: list[Callable[[], object]] = []
        self.stopped_by: list[int | None] = []

    def start(self) -> None:
        signal.signal(signal.SIGTERM, self.sigTerm)
        for call in self.when_running:
            call()

    def turn(self) -> None:
        while self.calls:
            self.calls.pop(0)()

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        self.calls.append(lambda: call(*arguments))

    def callWhenRunning(self, call: Callable[[], object]) -> None:
        self.when_running.append(call)

    def stop(self) -> None:
        self.stopped_by.append(None)

    def sigTerm(self, number: int, frame: object = None) -> None:
        self.callFromThread(self.stopped_by.append, number)

    sigInt = sigTerm


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in STOPS + RELOADS}
    for number in before:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def events() -> Iterator[Sequence[LogEvent]]:
    with capturedLogs() as events:
        yield events


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


def install(reactor: Reactor, service: FakeService, **options: Any) -> None:
    signals = Signals()
    signals.install(**options)
    signals.attach(reactor, service)


def logged_signals(events: Sequence[LogEvent]) -> list[str]:
    return [event["signal"] for event in events if event.get("event") == "signal"]


@pytest.mark.parametrize("number", RELOADS)
@pytest.mark.parametrize("is_running", [False, True])
def test_signal_to_reload_is_a_log_line_and_one_reloads(
    reactor: Reactor, service: FakeService, events: Sequence[LogEvent], number: signal.Signals, is_running: bool
) -> None:
    install(reactor, service)
    if is_running:
        reactor.start()
    signal.raise_signal(number)
    assert (logged_signals(events), service.reloads) == ([], [])  # not in the handler, which may interrupt anything
    reactor.turn()
    assert logged_signals(events) == [number.name]
    assert len(service.reloads) == (number == signal.SIGHUP)
    assert reactor.stopped_by == []


@pytest.mark.parametrize(("number", "by"), [(signal.SIGTERM, 15), (signal.SIGINT, 2), (signal.SIGQUIT, None)])
@pytest.mark.parametrize("is_running", [False, True])
def test_first_signal_to_stop_stops_the_reactor(
    reactor: Reactor, service: FakeService, number: signal.Signals, by: int | None, is_running: bool
) -> None:
    """By Twisted's own handlers where it has one: `twist` and `twistd` end by the signal that these note."""
    install(reactor, service)
    if is_running:
        reactor.start()
    signal.raise_signal(number)
    reactor.turn()
    assert reactor.stopped_by == [by]
    assert service.stop.hurried == 0


def test_signals_that_come_before_the_reactor_count_once_it_is_there(reactor: Reactor, service: FakeService) -> None:
    signals = Signals()
    signals.install()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)
    assert reactor.calls == []
    signals.attach(reactor, service)
    reactor.start()
    reactor.turn()
    assert (reactor.stopped_by, service.stop.hurried) == ([signal.SIGTERM], 1)


def test_first_signal_in_a_stop_that_is_under_way_ends_sessions(reactor: Reactor, service: FakeService) -> None:
    service.stop.has_begun = True
    install(reactor, service)
    reactor.start()
    signal.raise_signal(signal.SIGTERM)
    reactor.turn()
    assert (reactor.stopped_by, service.stop.hurried) == ([], 1)


@pytest.mark.parametrize("second", STOPS)
@pytest.mark.parametrize("first", STOPS)
def test_second_signal_to_stop_ends_sessions(
    reactor: Reactor, service: FakeService, events: Sequence[LogEvent], first: signal.Signals, second: signal.Signals
) -> None:
    install(reactor, service)
    reactor.start()
    signal.raise_signal(first)
    signal.raise_signal(second)
    reactor.turn()
    assert len(reactor.stopped_by) == 1
    assert service.stop.hurried == 1
    assert logged_signals(events)[-1] == second.name


def test_third_signal_to_stop_kills(reactor: Reactor, service: FakeService) -> None:
    install(reactor, service)
    reactor.start()
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in STOPS] == 3 * [signal.SIG_DFL]


@pytest.mark.parametrize("number", STOPS + RELOADS)
def test_signal_that_somebody_ignores_stays_ignored(
    reactor: Reactor, service: FakeService, number: signal.Signals
) -> None:
    """As nohup does, and a shell for what it runs in the background."""
    signal.signal(number, signal.SIG_IGN)
    install(reactor, service)
    assert signal.getsignal(number) == signal.SIG_IGN


def test_signal_that_is_spared_may_be_taken_by_somebody_else(reactor: Reactor, service: FakeService) -> None:
    install(reactor, service, spare=[signal.SIGUSR1])
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    taken: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: taken.append(number))
    reactor.start()
    signal.raise_signal(signal.SIGUSR1)
    assert taken == [signal.SIGUSR1]


def test_signal_that_is_spared_and_not_taken_does_not_kill(
    reactor: Reactor, service: FakeService, events: Sequence[LogEvent]
) -> None:
    install(reactor, service, spare=[signal.SIGUSR1])
    reactor.start()
    signal.raise_signal(signal.SIGUSR1)
    reactor.turn()
    assert logged_signals(events) == ["SIGUSR1"]


@pytest.mark.parametrize("has_file", [True, False])
def test_signal_for_log_rotation_opens_files_again(
    reactor: Reactor, service: FakeService, events: Sequence[LogEvent], *, has_file: bool
) -> None:
    service.has_file = has_file
    install(reactor, service)
    signal.raise_signal(signal.SIGUSR1)
    assert service.reopened == 0  # not in the handler
    reactor.turn()
    assert service.reopened == 1
    (event,) = (event for event in events if event.get("event") == "signal")
    assert event["log_level"] == (LogLevel.info if has_file else LogLevel.warn)


def test_reload_that_fails_needs_nobody_who_waits(reactor: Reactor, service: FakeService) -> None:
    install(reactor, service)
    signal.raise_signal(signal.SIGHUP)
    reactor.turn()
    (reload,) = service.reloads
    reload.errback(ReloadRefused("mailproxy stops"))
    unhandled: list[object] = []
    reload.addErrback(unhandled.append)
    assert unhandled == []
