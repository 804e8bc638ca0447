"""The check ``http``: a request whose answer has the right status and optionally the right values in its JSON."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import field, frozen
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from mailproxy.checks.check import Run
from mailproxy.checks.http_answer import Undecoded, body_of, first_cause
from mailproxy.checks.http_connection import CLOSE_SECONDS, Connections, Shared
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.pointer import find, is_same
from mailproxy.config.http import shown_statuses
from mailproxy.transport.outgoing import Target

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
    status: Sequence[range] = (range(200, 201),)
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

    def __init__(self, step: str, expected: str, received: str, *, is_misconfigured: bool = False) -> None:
        super().__init__(f"{step}: expected {expected}, got {received}")
        self.is_misconfigured = is_misconfigured


class HttpCheck:
    """Checks by a request, each over a connection of its own."""

    def __init__(self, request: Request, seconds: float, reactor: Any, closing_seconds: float = CLOSE_SECONDS) -> None:
        """
        Get ready to make a request that may take `seconds`, and its connection `closing_seconds` more to close.

        https trusts the system's authorities.
        """
        self._request = request
        self._seconds = seconds
        self._reactor = reactor
        self._closing_seconds = closing_seconds
        self._shared = Shared()

    def begin(self, target: Target, over: Callable[[Outcome], Any]) -> Run:
        """Make the request."""
        connections = Connections(self._reactor, self._seconds, self._shared, self._closing_seconds)
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
        connections: Connections,
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
        self._over = _ignore_outcome
        self._asking.cancel()

    def _expire(self) -> None:
        self._is_late = True
        self._asking.cancel()

    async def _ask(self) -> str:
        request = self._request
        headers = Headers({name: [value] for name, value in request.headers.items()})
        if request.authorization is not None:
            headers.setRawHeaders("Authorization", [request.authorization])
        agent = Undecoded(Agent.usingEndpointFactory(self._reactor, self._connections, self._pool))
        response = await HTTPClient(agent).request(
            request.method,
            request.filled(request.url, self._target),
            headers=headers,
            data=None if request.body is None else request.filled(request.body, self._target).encode(),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        self._connections.is_in_body = True
        self._judge_status(response)
        body = await body_of(response)
        if request.json:
            if agent.encodings:
                raise _Refused("HTTP body", "no Content-Encoding", _printable(agent.encodings))
            self._judge_body(body)
        return f"HTTP status {response.code}"

    def _judge_status(self, response: IResponse) -> None:
        if any(response.code in statuses for statuses in self._request.status):
            return
        expected = " or ".join(map(shown_statuses, self._request.status))
        raise _Refused(
            "HTTP status",
            expected,
            f"{response.code} {_printable(response.phrase)}".rstrip(),
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
                raise _Refused(step, json.dumps(expected), "no value") from None
            if not is_same(expected, value):
                raise _Refused(step, json.dumps(expected), json.dumps(value)[:_SHOWN])

    def _end(self, result: str | Failure) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self._connections.close(at_once=isinstance(result, Failure))
        seconds = self._reactor.seconds() - self._begun
        is_misconfigured = False
        if self._connections.excess:
            # The client may have taken the end of the connection for the end of the body.
            reason = f"HTTP: {self._connections.excess}"
        elif not isinstance(result, Failure):
            self._over(Outcome(True, result, seconds))
            return
        elif self._is_late:
            reason = f"no answer within {self._seconds:g} s"
        elif isinstance(result.value, _Refused):
            reason, is_misconfigured = str(result.value), result.value.is_misconfigured
        else:
            reason = f"HTTP: {first_cause(result)}"
        if isinstance(result, Failure):
            # The errors' frames hold what the server sent, in cycles that the service's quiet collector seldom sees.
            result.cleanFailure()
        self._over(Outcome(is_misconfigured, self._request.hidden(reason), seconds, is_misconfigured))


def _ignore_outcome(outcome: Outcome) -> None:
    """Ignore the result of a check that was cancelled."""


def _printable(text: bytes) -> str:
    return text[:_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii")
