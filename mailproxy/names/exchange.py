"""
One question to one nameserver: over UDP, and over TCP if the answer is too long for that.

This uses only the codec of twisted.names, not its client (26.10), because the client:

1. compares an answer's id and sender with the question's, but not the question in it;
2. takes a truncated message for a whole answer with fewer records;
3. has timers, and a TCP connection that it keeps, which cannot be ended;
4. repeats a question with a truncated answer at any nameserver, and on the global reactor;
5. logs two lines for every datagram socket, and opens one for each question.

Twisted's datagram ports do the last, so this opens its own socket, on a port that the kernel picks at random (RFC 5452
section 9.2). The socket is connected to the nameserver: datagrams from others do not arrive, and a nameserver that does
not run is detected at once.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from secrets import randbits
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IReadDescriptor, ITCPTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from mailproxy.names.message import Truncated, query, read
from mailproxy.names.question import Alias, Answer, MalformedError, NoAnswerError, Question
from mailproxy.proxyprotocol.address import host_port

MAX_DATAGRAM = 4096
"""The most bytes of an answer over UDP; without EDNS it is 512 (RFC 1035 section 2.3.4), few servers send more."""

MAX_DATAGRAMS = 32
"""The most datagrams that one question reads: a nameserver that sends this many without an answer wastes our time."""

Reply = Answer | Alias


@frozen
class Nameserver:
    """A nameserver's address, for UDP and TCP."""

    host: IPv4Address | IPv6Address
    port: int = 53

    def __str__(self) -> str:
        """Write it as the log shows it."""
        return host_port(self.host, self.port)


async def ask(nameserver: Nameserver, question: Question, seconds: float, reactor: Any) -> Reply:
    """
    Ask a question once, with `seconds` for the answer, and as many again if it needs TCP.

    Raises `NoAnswerError`, or `SilenceError` if no answer came in time. Cancelling leaves nothing on the reactor.
    """
    reply = await _ask_by_datagram(nameserver, question, seconds, reactor)
    if not isinstance(reply, Truncated):
        return reply
    streaming = Deferred.fromCoroutine(_ask_by_stream(nameserver, question, reactor))
    try:
        return await streaming.addTimeout(seconds, reactor)
    except TimeoutError as error:
        raise SilenceError(f"no answer over TCP within {seconds:g} s") from error


class SilenceError(NoAnswerError):
    """No answer came in time; a datagram may have been lost, so asking again makes sense."""


async def _ask_by_datagram(
    nameserver: Nameserver, question: Question, seconds: float, reactor: Any
) -> Reply | Truncated:
    family = socket.AF_INET if nameserver.host.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.connect((str(nameserver.host), nameserver.port))
            id = randbits(16)
            sock.send(query(id, question))
            datagrams = _Datagrams(sock, id, question)
            reactor.addReader(datagrams)
            try:
                return await datagrams.answered.addTimeout(seconds, reactor)
            except TimeoutError as error:
                raise SilenceError(datagrams.remark or f"no answer within {seconds:g} s") from error
            finally:
                reactor.removeReader(datagrams)
    except OSError as error:
        raise NoAnswerError(error.strerror or str(error)) from error


@implementer(IReadDescriptor)
class _Datagrams:
    """The socket of one question, until the answer comes."""

    def __init__(self, sock: socket.socket, id: int, question: Question) -> None:
        self._socket = sock
        self._id = id
        self._question = question
        self.answered: Deferred[Reply | Truncated] = Deferred()
        self.remark = ""
        """What came instead of an answer."""
        self._left = MAX_DATAGRAMS

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "names"

    def doRead(self) -> None:
        try:
            datagram = self._socket.recv(MAX_DATAGRAM + 1)
            if len(datagram) > MAX_DATAGRAM:
                raise MalformedError(f"a datagram of more than {MAX_DATAGRAM} bytes")
            reply = read(datagram, self._id, self._question)
        except BlockingIOError:
            # Its checksum was wrong.
            return
        except MalformedError as error:
            # An attacker may have sent it, and the answer may still come.
            self._ignore(str(error))
        except (OSError, NoAnswerError) as error:
            self.answered.errback(Failure(error))
        else:
            if reply is None:
                self._ignore("an answer to another question")
            else:
                self.answered.callback(reply)

    def _ignore(self, remark: str) -> None:
        self.remark = remark
        self._left -= 1
        if not self._left:
            self.answered.errback(Failure(NoAnswerError(f"{MAX_DATAGRAMS} datagrams without an answer: {remark}")))

    def connectionLost(self, reason: Failure) -> None:
        # The epoll reactor calls this for an error, such as ECONNREFUSED, on a socket without data.
        self.doRead()


async def _ask_by_stream(nameserver: Nameserver, question: Question, reactor: Any) -> Reply:
    # Here, because only long answers need it: it imports much that the rest of a start does not.
    from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint

    make = TCP4ClientEndpoint if nameserver.host.version == 4 else TCP6ClientEndpoint
    stream = _Stream(question)
    try:
        await make(reactor, str(nameserver.host), nameserver.port).connect(_OneStream(stream))
    except ConnectError as error:
        raise NoAnswerError(f"TCP: {error}") from error
    except ConnectingCancelledError as error:
        raise CancelledError from error
    try:
        return await stream.answered
    finally:
        stream.close()


class _Stream(Int16StringReceiver):
    """The connection of one question, until the answer comes."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._id = randbits(16)
        self.answered: Deferred[Reply] = Deferred()

    def close(self) -> None:
        # Data that has arrived already is ignored.
        self.pauseProducing()  # type: ignore[no-untyped-call]  # Twisted has no annotation
        ITCPTransport(self.transport).abortConnection()

    def connectionMade(self) -> None:
        self.sendString(query(self._id, self._question))  # type: ignore[no-untyped-call]  # Twisted has no annotation

    def stringReceived(self, string: bytes) -> None:
        if self.answered.called:
            return
        try:
            reply = read(string, self._id, self._question)
            if reply is None or isinstance(reply, Truncated):
                raise NoAnswerError("no whole answer over TCP")
        except NoAnswerError as error:
            self.answered.errback(Failure(error))
        else:
            self.answered.callback(reply)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.answered.called:
            self.answered.errback(Failure(NoAnswerError("closed TCP without an answer")))


class _OneStream(Factory):
    """Takes the connection."""

    noisy = False

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def buildProtocol(self, addr: object) -> _Stream:
        return self._stream
