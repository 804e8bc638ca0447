"""A server protocol in memory, and what a client says to it."""

from collections.abc import Iterator
from typing import TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPullProducer
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

Steps = TypeVar("Steps", bound=Iterator[object])


class PullingTransport(StringTransport):
    """Takes all that a producer has, at once."""

    def registerProducer(self, producer: IPullProducer, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        while self.producer is not None:
            producer.resumeProducing()


def at_once(iterator: Steps) -> Deferred[Steps]:
    """Runs all steps of a long answer now; each has to be done when the next one starts."""
    for step in iterator:
        assert not isinstance(step, Deferred) or step.called
    return succeed(iterator)


class Conversation:
    """What a client at 192.0.2.7:40000 says, and gets."""

    def __init__(self, server: Protocol) -> None:
        self.server = server
        self.transport = PullingTransport(peerAddress=IPv4Address("TCP", "192.0.2.7", 40000))
        server.makeConnection(self.transport)
        self.greeting = self._answer()

    def say(self, *lines: bytes) -> list[bytes]:
        """The lines that the server answers to `lines`."""
        self.server.dataReceived(b"".join(line + b"\r\n" for line in lines))
        return self._answer()

    def end(self) -> None:
        """The connection ends, and with it the server's timers."""
        self.server.connectionLost(Failure(ConnectionDone()))

    def _answer(self) -> list[bytes]:
        answer: bytes = self.transport.value()
        self.transport.clear()
        return answer.split(b"\r\n")[:-1]
