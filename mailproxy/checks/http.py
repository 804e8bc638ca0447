"""The check ``http``: a request whose answer has the right status and, if wished, the right values in its JSON."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from attrs import field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    URI,
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseDone,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IResponse
from zope.interface import implementer

from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pointer import find, is_same
from mailproxy.checks.visiting import Run
from mailproxy.transport.outgoing import Target

BODY_BYTES = 256 * 1024
"""How much of an answer is read: doveadm's longest lists fit, and nobody fills our memory."""

CLOSE_SECONDS = 1.0
"""How long a connection may take to close once the answer is there."""

_SHOWN = 100


@frozen
class Request:
    """What is asked, and what has to come; `{host}` and `{protocol}` in `url` and `body` are places to fill."""

    url: str
    protocol: str
    method: str = "GET"
    headers: Mapping[str, str] = field(factory=dict)
    authorization: str | None = field(default=None, repr=False)
    body: str | None = None
    status: Sequence[int] = (200,)
    json: Mapping[str, str | int | bool | float] = field(factory=dict)

    def filled(self, text: str, target: Target) -> str:
        """Fill the places in a text."""
        host = "localhost" if target.family == socket.AF_UNIX else target.address[0]
        return text.replace("{host}", f"[{host}]" if ":" in host else host).replace("{protocol}", self.protocol)

    def hidden(self, text: str) -> str:
        """Take what authorizes us out of a text for the log."""
        if self.authorization is None:
            return text
        for secret in (self.authorization, self.authorization.rpartition(" ")[2]):
            text = text.replace(secret, "<authorization>")
        return text


class _Refused(Exception):
    """The answer is not what it has to be."""

    def __init__(self, step: str, expected: str, came: str, *, is_misconfigured: bool = False) -> None:
        super().__init__(f"{step}: expected {expected}, came {came}")
        self.is_misconfigured = is_misconfigured


class HttpCheck:
    """Checks by a request, each over a connection of its own."""

    def __init__(self, request: Request, seconds: float, reactor: Any) -> None:
        """Get ready to make a request that may take so many seconds; for https the system says whom to trust."""
        self._request = request
        self._seconds = seconds
        self._reactor = reactor
        self._tls = _ClientTls()

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """Make the request."""
        connections = _Connections(self._reactor, self._seconds, self._tls)
        return _HttpRun(self._request, target, self._seconds, over, self._reactor, connections)


class _HttpRun:
    """One request under way."""

    def __init__(
        self,
        request: Request,
        target: Target,
        seconds: float,
        over: Callable[[Outcome], Any],
        reactor: Any,
        connections: _Connections,
    ) -> None:
        self._request = request
        self._target = target
        self._seconds = seconds
        self._over = over
        self._reactor = reactor
        self._connections = connections
        # For this one request, but without saying so by "Connection: close": a POST that says it and has a wrong key is
        # not answered by Dovecot 2.3.19.
        self._pool = HTTPConnectionPool(reactor)
        self._pool.cachedConnectionTimeout = 0
        self._begun = reactor.seconds()
        self._is_late = False
        self._asking = Deferred.fromCoroutine(self._ask())
        self._deadline = reactor.callLater(seconds, self._expire)
        self._asking.addBoth(self._end)

    def cancel(self) -> None:
        self._over = _nobody
        self._asking.cancel()

    def _expire(self) -> None:
        self._is_late = True
        self._asking.cancel()

    async def _ask(self) -> str:
        request = self._request
        client = HTTPClient(Agent.usingEndpointFactory(self._reactor, self._connections, self._pool))
        headers = Headers({name: [value] for name, value in request.headers.items()})
        if request.authorization is not None:
            headers.setRawHeaders("Authorization", [request.authorization])
        response = await client.request(
            request.method,
            request.filled(request.url, self._target),
            headers=headers,
            data=None if request.body is None else request.filled(request.body, self._target).encode(),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        self._judge_status(response)
        body = await _body(response)
        if request.json:
            self._judge_body(body)
        return f"HTTP status {response.code}"

    def _judge_status(self, response: IResponse) -> None:
        if response.code in self._request.status:
            return
        expected = " or ".join(map(str, self._request.status))
        phrase = response.phrase[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
        raise _Refused(
            "HTTP status",
            expected,
            f"{response.code} {phrase}".rstrip(),
            is_misconfigured=response.code in (401, 403),
        )

    def _judge_body(self, body: bytes) -> None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _Refused("HTTP body", "JSON", str(error)[:_SHOWN]) from None
        for pointer, expected in self._request.json.items():
            step = f"JSON {pointer}" if pointer else "JSON"
            try:
                value = find(document, pointer)
            except LookupError:
                raise _Refused(step, json.dumps(expected), "no value there") from None
            if not is_same(expected, value):
                raise _Refused(step, json.dumps(expected), json.dumps(value)[:_SHOWN])

    def _end(self, result: str | Failure) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self._connections.close(at_once=isinstance(result, Failure))
        seconds = self._reactor.seconds() - self._begun
        is_misconfigured = False
        if not isinstance(result, Failure):
            self._over(Outcome(True, result, seconds))
            return
        error = result.value
        if self._is_late:
            reason = f"no answer within {self._seconds:g} s"
        elif isinstance(error, _Refused):
            reason, is_misconfigured = str(error), error.is_misconfigured
        else:
            reason = f"HTTP: {_first_cause(result)}"
        self._over(Outcome(is_misconfigured, self._request.hidden(reason), seconds, is_misconfigured))


def _nobody(outcome: Outcome) -> None:
    """Hear what came of a check that nobody waits for any more."""


def _first_cause(failure: Failure) -> str:
    """Return what lies at the bottom of Twisted's errors, in words."""
    error: Any = failure.value
    while isinstance(error, RequestTransmissionFailed | ResponseFailed | ResponseNeverReceived) and error.reasons:
        error = error.reasons[0].value
    if isinstance(error, ConnectError) and error.osError is not None:
        return os.strerror(error.osError)
    return (str(error) or type(error).__name__)[:_SHOWN]


class _Body(Protocol):
    """Collects an answer, but no more than `BODY_BYTES`."""

    def __init__(self, whole: Deferred[bytes]) -> None:
        self._whole: Deferred[bytes] | None = whole
        self._pieces: list[bytes] = []
        self._count = 0

    def dataReceived(self, data: bytes) -> None:
        self._count += len(data)
        if self._count <= BODY_BYTES:
            self._pieces.append(data)
        else:
            self._settle(_Refused("HTTP body", f"{BODY_BYTES} bytes at most", "more"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone, PotentialDataLoss):
            self._settle(b"".join(self._pieces))
        else:
            self._settle(reason)

    def _settle(self, result: Any) -> None:
        whole, self._whole = self._whole, None
        if whole is not None:
            whole.callback(result) if isinstance(result, bytes) else whole.errback(result)


def _body(response: IResponse) -> Deferred[bytes]:
    whole: Deferred[bytes] = Deferred()
    response.deliverBody(_Body(whole))
    return whole


class _ClientTls:
    """Makes the TLS for each host once: reading the system's authorities takes milliseconds."""

    def __init__(self) -> None:
        self.creator_for = lru_cache(maxsize=_HOSTS)(BrowserLikePolicyForHTTPS().creatorForNetloc)


# One check asks at one URL; `{host}` in it changes as often as the server's address does.
_HOSTS = 4


@implementer(IAgentEndpointFactory)
class _Connections:
    """The connections of one request: Twisted leaves those open whose other side does not close."""

    def __init__(self, reactor: Any, seconds: float, tls: _ClientTls) -> None:
        self._reactor = reactor
        self._seconds = seconds
        self._tls = tls
        self._open: list[ITCPTransport] = []

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Return the way to a host."""
        # Below TLS: what is aborted there may have ended by itself.
        endpoint = _Noted(HostnameEndpoint(self._reactor, uri.host, uri.port, timeout=self._seconds), self._open)
        if uri.scheme == b"https":
            return wrapClientTLS(self._tls.creator_for(uri.host, uri.port), endpoint)
        return endpoint

    def close(self, *, at_once: bool) -> None:
        """Close what is still open."""
        if at_once:
            self._abort()
        elif self._open:
            self._reactor.callLater(CLOSE_SECONDS, self._abort)

    def _abort(self) -> None:
        for transport in self._open:
            transport.abortConnection()
        self._open.clear()


@implementer(IStreamClientEndpoint)
class _Noted:
    """An endpoint whose connections are written down."""

    def __init__(self, endpoint: IStreamClientEndpoint, noted: list[ITCPTransport]) -> None:
        self._endpoint = endpoint
        self._noted = noted

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect, without a word in the log."""
        cast(Any, protocolFactory).noisy = False
        return self._endpoint.connect(protocolFactory).addCallback(self._note)

    def _note(self, protocol: IProtocol) -> IProtocol:
        self._noted.append(cast(Any, protocol).transport)
        return protocol
