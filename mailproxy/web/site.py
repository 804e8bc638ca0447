"""The resources of administrators' HTTP, by their paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from mailproxy.control.answers import Answers
from mailproxy.control.running import Running
from mailproxy.control.watch import Watch
from mailproxy.web import events, health
from mailproxy.web.access import Access
from mailproxy.web.api import PREFIX, Api
from mailproxy.web.metrics import MetricsPages
from mailproxy.web.reply import Refused, Reply, Stream, as_json, not_allowed
from mailproxy.web.request import Request
from mailproxy.web.static_files import FILES
from mailproxy.web.stats.stats import Stats
from mailproxy.web.turns import Turns

MAX_STREAMS = 32
"""The most clients with an endless reply; half of all, so that monitoring gets through."""

_HEALTH = ("/livez", "/readyz")


@frozen
class Resource:
    """What is at a path, for GET and HEAD."""

    get: Callable[[Request], Reply | Stream | Awaitable[Reply]]
    is_endless: bool = False


class Site:
    """Answers the requests of all clients, each in its turn."""

    _log = Logger(namespace="mailproxy")

    def __init__(self, running: Running, reactor: Any, answers: Answers, watch: Watch) -> None:
        self._reactor = reactor
        self.access = Access(frozenset())
        """The rules of the current configuration."""
        self.turns = Turns(reactor)
        self.streams = 0
        """The number of clients with an endless reply."""
        self.stats = Stats(running, reactor, self.turns, watchers=watch.__len__, access=lambda: self.access)
        """The stats page."""
        self._api = Api(answers, self.turns, lambda request: self.access.check_token(request))
        self._resources: Mapping[str, Resource] = {
            "/livez": Resource(lambda request: health.livez()),
            "/readyz": Resource(lambda request: health.readyz(running)),
            "/metrics": Resource(MetricsPages(running, self.turns, reactor).get),
            "/api/v1/events": Resource(lambda request: events.events(request, watch, reactor), is_endless=True),
            "/api/v1/token": Resource(self._token),
            "/": Resource(lambda request: Reply(b"", status=302, headers={"Location": "/stats"})),
            "/stats": Resource(self.stats.page),
            "/stats/updates": Resource(self.stats.updates, is_endless=True),
            **{f"/static/{name}": Resource(file.reply) for name, file in FILES.items()},
        }

    async def answer(self, request: Request) -> None:
        """Answer a request; not if its client leaves before."""
        try:
            is_health = request.where in _HEALTH
            if request.channel.is_spare and not is_health:
                # At once: to wait for a turn would take the place of a health check.
                request.channel.refuse(503, "too many clients; only /livez and /readyz are answered")
                return
            await self.turns.next(is_urgent=is_health)
            await self._answer(request)
        except CancelledError:
            pass
        except Exception:
            self._log.failure("bug in the answer to an HTTP request")
            if request.startedWriting:
                request.abort()
            else:
                request.reply(Refused(500, "internal error; the log of the service has the traceback").reply)

    async def _answer(self, request: Request) -> None:
        try:
            self.access.check(request)
            if request.where.startswith(PREFIX) and request.where not in self._resources:
                reply = await self._api.answer(request)
                is_endless = False
            else:
                resource = self._resource(request)
                is_endless = resource.is_endless
                found = self._get(request, resource)
                reply = found if isinstance(found, Reply | Stream) else await found
        except Refused as refused:
            request.reply(refused.reply)
            return
        if isinstance(reply, Reply):
            request.reply(reply)
            return
        self.streams += is_endless
        try:
            await request.stream(reply)
        finally:
            self.streams -= is_endless

    def _resource(self, request: Request) -> Resource:
        resource = self._resources.get(request.where)
        if resource is None:
            raise Refused(404, "there is nothing at this path")
        if request.verb not in ("GET", "HEAD"):
            raise not_allowed(request.verb, "GET, HEAD")
        return resource

    def _get(self, request: Request, resource: Resource) -> Reply | Stream | Awaitable[Reply]:
        if resource.is_endless and self.streams >= MAX_STREAMS and request.verb != "HEAD":
            raise Refused(503, f"{MAX_STREAMS} clients have live events, which is the limit", {"Retry-After": "10"})
        return resource.get(request)

    def _token(self, request: Request) -> Reply:
        """Say whether a token is right."""
        self.access.check_token(request)
        return Reply(as_json({"ok": True}))

    def start(self) -> None:
        """Begin to keep what the page shows of the past."""
        self.stats.start()

    def stop(self) -> None:
        """Begin no further work."""
        self.stats.stop()
        self.turns.stop()
