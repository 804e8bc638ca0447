"""The answer to an HTTP request: its body, undecoded, or the reason why there is none."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, RequestTransmissionFailed, ResponseDone, ResponseFailed, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

_SHOWN = 100


@implementer(IAgent)
class Undecoded:
    """
    An agent under treq's client that asks for no content encoding and keeps treq from decoding one.

    64 KiB of gzip become 64 MiB. `encodings` is what the answer has nevertheless.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.encodings = b""

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Ask."""
        if headers is not None:
            headers.removeHeader(b"accept-encoding")
        return self._agent.request(method, uri, headers, bodyProducer).addCallback(self._take)

    def _take(self, response: IResponse) -> IResponse:
        self.encodings = b", ".join(response.headers.getRawHeaders(b"content-encoding", ()))
        response.headers.removeHeader(b"content-encoding")
        return response


class _Body(Protocol):
    """Collects an answer; its connection has a bound."""

    def __init__(self, whole: Deferred[bytes]) -> None:
        self._whole: Deferred[bytes] | None = whole
        self._pieces: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        whole, self._whole = self._whole, None
        body, self._pieces = b"".join(self._pieces), []
        if whole is None:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            whole.callback(body)
        else:
            whole.errback(reason)


def body_of(response: IResponse) -> Deferred[bytes]:
    """Return the whole body."""
    whole: Deferred[bytes] = Deferred()
    response.deliverBody(_Body(whole))
    return whole


def first_cause(failure: Failure) -> str:
    """Return what lies at the bottom of Twisted's errors, in words."""
    error: Any = failure.value
    while isinstance(error, RequestTransmissionFailed | ResponseFailed | ResponseNeverReceived) and error.reasons:
        error = error.reasons[0].value
    if isinstance(error, ConnectError) and error.osError is not None:
        return os.strerror(error.osError)
    return (str(error) or type(error).__name__)[:_SHOWN]
