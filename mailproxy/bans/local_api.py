"""The local API of CrowdSec, as a bouncer asks it over HTTP."""

from __future__ import annotations

from typing import Any, NoReturn

from attrs import frozen
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers

from mailproxy import __version__
from mailproxy.checks.http_answer import Undecoded, body_of, first_cause
from mailproxy.checks.http_connection import Connections, Shared
from mailproxy.config.bans import CrowdSecSettings

ANSWER_SECONDS = 60.0
"""The time that an answer may take: the first one, with 100,000 decisions, takes CrowdSec seconds."""

MAX_BYTES = 128 * 1024 * 1024
"""The most bytes of an answer: as many decisions, of 250 bytes, as there may be bans."""

_FORBIDDEN = (401, 403)


@frozen
class UnansweredError(Exception):
    """A request has no usable answer; the reason is in words for the log."""

    reason: str


class LocalApi:
    """Asks one local API."""

    def __init__(self, settings: CrowdSecSettings, reactor: Any) -> None:
        self._settings = settings
        self._reactor = reactor
        self._shared = Shared()

    async def decisions(self, key: str, *, all: bool) -> bytes:
        """Return the answer with all decisions, or with the changes since the last request; `UnansweredError`."""
        connections = Connections(self._reactor, ANSWER_SECONDS, self._shared, most_bytes=MAX_BYTES)
        pool = HTTPConnectionPool(self._reactor)
        pool.cachedConnectionTimeout = 0
        agent = Undecoded(Agent.usingEndpointFactory(self._reactor, connections, pool))
        asked = Deferred.fromCoroutine(self._ask(HTTPClient(agent), connections, key, all))
        asked.addTimeout(ANSWER_SECONDS, self._reactor, _give_up)
        is_answered = False
        try:
            body = await asked
            is_answered = not connections.excess
        except (UnansweredError, CancelledError):
            raise
        except Exception as error:
            # The client may have taken the end of the connection for another error.
            raise UnansweredError(connections.excess or first_cause(Failure(error))) from None
        finally:
            connections.close(at_once=not is_answered)
        if not is_answered:
            raise UnansweredError(connections.excess)
        return body

    async def _ask(self, client: HTTPClient, connections: Connections, key: str, all: bool) -> bytes:
        settings = self._settings
        response = await client.get(
            f"{settings.url}/v1/decisions/stream",
            params={"startup": "true" if all else "false", "scopes": "ip,range"},
            headers=Headers({"X-Api-Key": [key], "User-Agent": [f"mailproxy/v{__version__}"]}),
            allow_redirects=False,
            unbuffered=True,
            reactor=self._reactor,
        )
        connections.is_in_body = True
        if response.code in _FORBIDDEN:
            raise UnansweredError(
                f"HTTP status {response.code}: the key in {settings.key_file} is not valid there; "
                "`cscli bouncers add mailproxy` makes one"
            )
        if response.code != 200:
            raise UnansweredError(f"HTTP status {response.code}")
        return await body_of(response)


def _give_up(result: object, seconds: float) -> NoReturn:
    # Twisted says it in its own words, and in other ones while it connects.
    raise UnansweredError(f"no answer within {seconds:g} s")
