"""For other code, our reactor is Twisted's."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from twisted.internet import fdesc
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.logger import capturedLogs

from mailproxy.transport.poller import BYTES, READ
from mailproxy.transport.reactor import PollerReactor, use_monotonic_clock
from tests.transport.reactors import ClosingEPollReactor, ClosingPollerReactor

PATIENCE_SECONDS = 20


class ReactorGone(AssertionError):
    """A reactor did not do what it was to do."""


@pytest.fixture
def reactor() -> Iterator[PollerReactor]:
    made = ClosingPollerReactor()
    yield made
    made.close()


def run(reactor: PollerReactor, until: Deferred[None]) -> None:
    """Run a reactor until something has happened."""
    until.addCallback(lambda _: reactor.crash())
    late = reactor.callLater(PATIENCE_SECONDS, reactor.crash)
    reactor.run(installSignalHandlers=False)
    if not late.active():
        raise ReactorGone("nothing happened")
    late.cancel()


def test_twisted_has_what_the_reactor_stands_on() -> None:
    """A new Twisted may have renamed these private attributes: `mailproxy.transport.reactor` has to follow."""
    reactor = ClosingEPollReactor()
    for name in ("_started", "_justStopped", "_newTimedCalls", "_pendingTimedCalls", "threadCallQueue"):
        assert hasattr(reactor, name), f"EPollReactor has no {name} any more"
    call = reactor.callLater(10.0, print)
    assert getattr(reactor, "_newTimedCalls", None) == [call]
    reactor.timeout()
    assert getattr(reactor, "_pendingTimedCalls", None) == [call]
    call.cancel()
    epoll = getattr(reactor, "_poller", None)
    assert callable(getattr(epoll, "fileno", None)), "EPollReactor has no _poller with a fileno() any more"
    reactor.close()


def test_timers_go_by_the_monotonic_clock(reactor: PollerReactor) -> None:
    assert reactor.seconds is time.monotonic
    other = ClosingEPollReactor()
    use_monotonic_clock(other)
    assert other.seconds() == pytest.approx(time.monotonic(), abs=5)
    assert other.callLater(1.0, print).getTime() == pytest.approx(time.monotonic() + 1, abs=5)
    other.close()


def test_clock_of_timers_that_are_under_way_stays() -> None:
    other = ClosingEPollReactor()
    call = other.callLater(1.0, print)
    use_monotonic_clock(other)
    assert other.seconds() == pytest.approx(time.time(), abs=5)
    call.cancel()
    other.close()


def test_timers_pass(reactor: PollerReactor) -> None:
    done: Deferred[None] = Deferred()
    reactor.callLater(0.01, done.callback, None)
    run(reactor, done)


def test_other_threads_wake_the_reactor(reactor: PollerReactor) -> None:
    done: Deferred[None] = Deferred()
    reactor.callWhenRunning(reactor.callInThread, reactor.callFromThread, done.callback, None)
    run(reactor, done)
    pool = reactor.getThreadPool()
    pool.stop()


@pytest.fixture
def busy(reactor: PollerReactor) -> Iterator[list[int]]:
    """Keep a reactor's poller busy: a socket has an unread byte. What is appended is called with each event."""
    ours, other = socket.socketpair()
    events: list[int] = []
    reactor.poller.add(ours.fileno(), events.append, READ)
    other.send(b"x")
    yield events
    reactor.poller.remove(ours.fileno())
    ours.close()
    other.close()


def test_timer_passes_while_there_are_events(reactor: PollerReactor, busy: list[int]) -> None:
    done: Deferred[None] = Deferred()
    reactor.callLater(0.01, done.callback, None)
    run(reactor, done)
    assert len(busy) > 10


def test_timer_that_an_event_makes_or_moves_passes(reactor: PollerReactor) -> None:
    done: Deferred[None] = Deferred()
    ours, other = socket.socketpair()
    moved = reactor.callLater(PATIENCE_SECONDS + 10, done.callback, None)

    def on_event(events: int) -> None:
        if ours.recv(1) == b"1":
            reactor.callLater(0, other.send, b"2")
        else:
            moved.reset(0)

    reactor.poller.add(ours.fileno(), on_event, READ)
    other.send(b"1")
    run(reactor, done)
    reactor.poller.remove(ours.fileno())
    ours.close()
    other.close()


def test_stop_by_an_event_is_noticed(reactor: PollerReactor) -> None:
    ours, other = socket.socketpair()
    stopped: list[None] = []
    reactor.addSystemEventTrigger("before", "shutdown", stopped.append, None)

    def on_event(events: int) -> None:
        ours.recv(1)
        reactor.stop()

    reactor.poller.add(ours.fileno(), on_event, READ)
    other.send(b"x")
    late = reactor.callLater(PATIENCE_SECONDS, reactor.crash)
    reactor.run(installSignalHandlers=False)
    assert stopped == [None]
    assert late.active()
    ours.close()
    other.close()


def test_calls_of_other_threads_are_made_while_there_are_events(reactor: PollerReactor, busy: list[int]) -> None:
    done: Deferred[None] = Deferred()
    reactor.callWhenRunning(reactor.callInThread, reactor.callFromThread, done.callback, None)
    run(reactor, done)
    reactor.getThreadPool().stop()


def test_events_take_no_turn_of_twisted_s_loop(reactor: PollerReactor, busy: list[int]) -> None:
    turns: list[None] = []
    usual = reactor.runUntilCurrent
    done: Deferred[None] = Deferred()
    reactor.callLater(0.05, done.callback, None)
    reactor.runUntilCurrent = lambda: turns.append(usual())  # type: ignore[method-assign]
    run(reactor, done)
    assert len(turns) < 10 < len(busy)


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class Ask(Protocol):
    def __init__(self, done: Deferred[None]) -> None:
        self.done = done

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"ping")

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.loseConnection()
        self.done.callback(None)


def test_twisted_s_own_sockets_work(reactor: PollerReactor) -> None:
    done: Deferred[None] = Deferred()
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
    connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), Ask(done))
    done.addCallback(lambda _: port.stopListening())
    run(reactor, done)


class Listen(ProcessProtocol):
    def __init__(self, done: Deferred[None]) -> None:
        self.done = done
        self.data = b""

    def outReceived(self, data: bytes) -> None:
        self.data += data

    def outConnectionLost(self) -> None:
        self.done.callback(None)


def test_events_of_processes_arrive(reactor: PollerReactor) -> None:
    done: Deferred[None] = Deferred()
    received = Listen(done)
    reactor.callWhenRunning(reactor.spawnProcess, received, sys.executable, [sys.executable, "-c", "print('here')"])
    run(reactor, done)
    assert received.data == b"here\n"


class FromPipe(FileDescriptor):
    def __init__(self, reactor: PollerReactor, descriptor: int, received: Callable[[bytes], object]) -> None:
        super().__init__(reactor)
        self.descriptor = descriptor
        self.received = received

    def fileno(self) -> int:
        return self.descriptor

    def doRead(self) -> None:
        fdesc.readFromFD(self.descriptor, self.received)


def test_our_sockets_and_twisted_s_descriptors_are_served_in_one_turn(reactor: PollerReactor) -> None:
    theirs: list[bytes] = []
    ours: list[int] = []
    reading, writing = os.pipe()
    near, far = socket.socketpair()
    reactor.addReader(FromPipe(reactor, reading, theirs.append))
    reactor.poller.add(near.fileno(), ours.append, READ)
    os.write(writing, b"x")
    far.send(b"x")
    reactor.doIteration(0)
    assert (theirs, ours) == ([b"x"], [BYTES])
    reactor.removeAll()
    for descriptor in (reading, writing):
        os.close(descriptor)
    near.close()
    far.close()


def test_reactor_continues_after_a_bug_of_twisted(reactor: PollerReactor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken, capturedLogs() as events:
        broken.delattr(EPollReactor, "doPoll")
        reactor.wakeUp()
        reactor.doIteration(0)
    assert "log_failure" in events[0]
    done: Deferred[None] = Deferred()
    reactor.callWhenRunning(reactor.callFromThread, done.callback, None)
    run(reactor, done)


def test_signal_wakes_the_reactor() -> None:
    """In its own process: signals go to the main thread, and handlers are for the whole process."""
    code = (
        "import os, signal\n"
        "from mailproxy.transport.reactor import install\n"
        "reactor = install()\n"
        "reactor.callWhenRunning(os.kill, os.getpid(), signal.SIGTERM)\n"
        "reactor.run()\n"
        "print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    assert done.stdout == b"stopped\n", done.stderr
