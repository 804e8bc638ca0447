"""
One question to one nameserver: over UDP, and over TCP if the answer is too long for that.

Of twisted.names only the codec serves here, and not its client, for what that (26.10) does:

1. It compares an answer's id and sender with the question's, but not the question in it.
2. It takes a message cut short for a whole answer with fewer records.
3. Its timers, and the TCP connection that it keeps for later, cannot be ended.
4. It asks for a truncated answer again at any nameserver, and on the global reactor.
5. It logs two lines for every datagram socket, of which it opens one for a question.

The last is what Twisted's datagram ports do, hence a socket of our own, on a port that the kernel picks at random
(RFC 5452 section 9.2). It is connected to the nameserver: strangers' datagrams do not arrive, and a nameserver that
does not run is known at once.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address
from secrets import randbits
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint
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
"""How many bytes an answer over UDP may have; without EDNS it is 512 (RFC 1035 section 2.3.4), few send more."""

MAX_DATAGRAMS = 32
"""How many datagrams one question reads: a nameserver that has sent as many without an answer keeps us busy."""

Reply = Answer | Alias


@frozen
class Nameserver:
    """Where a nameserver listens, on UDP and TCP."""

    host: IPv4Address | IPv6Address
    port: int = 53

    def __str__(self) -> str:
        """Write it as the log shows it."""
        return host_port(self.host, self.port)


async def ask(nameserver: Nameserver, question: Question, seconds: float, reactor: Any) -> Reply:
    """
    Ask a question once, with `seconds` for the answer, and as many again if it takes TCP.

    Raises `NoAnswerError`, or `SilenceError` if nothing came in time. Cancelling leaves nothing behind on the reactor.
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
    """Nothing came in time, and a datagram may have been lost: worth asking again."""


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
        """What has come instead of an answer."""
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
            # Another may have sent it, and the answer still comes.
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
        # What the epoll reactor makes of an error, such as ECONNREFUSED, on a socket that has nothing to read.
        self.doRead()


async def _ask_by_stream(nameserver: Nameserver, question: Question, reactor: Any) -> Reply:
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
        # What has come already is not looked at.
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
