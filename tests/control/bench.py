"""A service with an admin socket's clients, all in memory but for the sockets of mail."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher

from mailproxy.control.answers import Answers
from mailproxy.control.client import Client
from mailproxy.control.questions import Ask
from mailproxy.control.watch import Watch

TURN_SECONDS = 2.0**-20


class Turns(Clock):
    """A clock that runs calls without delay in the next turn, as a reactor does."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:
        return super().callLater(max(delay, TURN_SECONDS), callable, *args, **kw)


class Transport(StringTransport):
    """A transport that a test reads from; without room it pauses its producer, as a real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.has_room = True
        self.is_reading = True
        self.is_aborted = False
        self.is_lost = False
        self.descriptors: list[int] = []

    def sendFileDescriptor(self, descriptor: int) -> None:
        self.descriptors.append(descriptor)

    def write(self, data: bytes) -> None:
        if self.disconnecting or self.is_lost:
            return
        super().write(data)
        if not self.has_room and self.producer is not None:
            self.producer.pauseProducing()

    def make_room(self) -> None:
        """Let the peer read all bytes."""
        self.has_room = True
        if self.producer is not None:
            self.producer.resumeProducing()

    def stopReading(self) -> None:
        self.is_reading = False

    def startReading(self) -> None:
        self.is_reading = True

    def abortConnection(self) -> None:
        self.is_aborted = True


class Admin:
    """A client of the admin socket."""

    def __init__(
        self, answers: Any, watch: Watch, clock: Any, clients: set[Client] | None = None, process: int = 1
    ) -> None:
        self.clock = clock
        self.transport = Transport()
        self.clients = set() if clients is None else clients
        self.client = Client(answers, watch, f"by user 0, process {process}", clock, self.clients)
        self.client.makeConnection(self.transport)
        (self.hello,) = self.lines()

    def lines(self) -> list[dict[str, Any]]:
        """What has come since the last time."""
        text = self.transport.value()
        self.transport.clear()
        return [json.loads(line) for line in text.splitlines()]

    def turn(self, times: int = 100) -> None:
        """Give the reactor some turns, in no time."""
        for _ in range(times):
            self.clock.advance(TURN_SECONDS)

    def send(self, **message: object) -> None:
        """Send a request."""
        self.client.dataReceived(json.dumps(message).encode() + b"\n")

    def ask(self, command: str, **arguments: object) -> list[dict[str, Any]]:
        """Send a request and return the lines of its answer."""
        self.send(command=command, **{name.replace("_", "-"): value for name, value in arguments.items()})
        self.turn()
        return self.lines()

    def rows(self, command: str, **arguments: object) -> list[dict[str, Any]]:
        """The rows of an answer that is one."""
        *rows, done = self.ask(command, **arguments)
        assert done["type"] == "done", done
        assert done["rows"] == len(rows)
        return rows

    def reply(self, command: str, **arguments: object) -> str:
        """The words of an answer without rows, be it an error."""
        (line,) = self.ask(command, **arguments)
        return str(line.get("error", line.get("message")))

    def lose(self) -> None:
        """Lose the connection."""
        self.transport.is_lost = True
        self.client.connectionLost(connectionDone)


def admin_of(service: Any, clock: Any, others: Sequence[Ask] = ()) -> Admin:
    """A client of a service, which may have other processes."""
    watch = Watch(globalLogPublisher)
    return Admin(Answers(service, watch.__len__, lambda: others), watch, clock)
