"""Requests to CrowdSec's local API, with a server that a test plays over loopback and the reactor's own time."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred, execute, maybeDeferred
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.protocols.policies import WrappingFactory
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from mailproxy.bans import local_api as module
from mailproxy.bans.bans import Bans
from mailproxy.bans.crowdsec import CrowdSec
from mailproxy.bans.local_api import LocalApi, UnansweredError
from mailproxy.checks.http_connection import CLOSE_SECONDS
from mailproxy.config.bans import CrowdSecSettings

SECONDS = 0.5


class Answers(Resource):
    """Answers everything in the same way."""

    isLeaf = True
    status = 200
    body: bytes | None = b"{}"
    """None: half an answer, and then nothing."""
    arrived: Deferred[None] | None = None
    """Fires when a request is there, which gets no answer."""

    def render(self, request: Request) -> bytes | int:
        if self.arrived is not None:
            self.arrived.callback(None)
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        if self.body is None:
            request.write(b"{")
            return NOT_DONE_YET
        return self.body


class LocalApiTests(TestCase):
    """`LocalApi`."""

    def setUp(self) -> None:
        self.answers = Answers()
        self.site = WrappingFactory(Site(self.answers))
        self.port = cast(Any, reactor).listenTCP(0, self.site, interface="127.0.0.1")
        self.number: int = self.port.getHost().port
        self.addCleanup(lambda: Deferred.fromCoroutine(self.everything_closed()))
        cast(Any, self).patch(module, "ANSWER_SECONDS", SECONDS)

    async def everything_closed(self) -> None:
        await maybeDeferred(self.port.stopListening)
        while self.site.protocols:
            await deferLater(cast(Any, reactor), 0.01)

    async def ask(self) -> bytes:
        settings = CrowdSecSettings(url=f"http://127.0.0.1:{self.number}", key_file="/key")
        return await LocalApi(settings, reactor).decisions("secret", all=True)

    async def reason(self) -> str:
        """Ask, and return why there is no answer."""
        try:
            await self.ask()
        except UnansweredError as error:
            return error.reason
        raise AssertionError("there is an answer")

    async def test_answer_is_returned(self) -> None:
        assert await self.ask() == b"{}"
        await deferLater(cast(Any, reactor), CLOSE_SECONDS)

    async def test_half_an_answer_is_given_up(self) -> None:
        self.answers.body = None
        assert await self.reason() == "no answer within 0.5 s"

    async def test_wrong_key_is_reported_with_its_file(self) -> None:
        self.answers.status = 403
        assert (await self.reason()).startswith("HTTP status 403: the key in /key is not valid there; ")

    async def test_answer_has_a_most_size(self) -> None:
        self.answers.body = b"[" * 10_000
        cast(Any, self).patch(module, "MAX_BYTES", 9_000)
        assert await self.reason() == "more than 9000 bytes"

    async def test_closed_port_is_reported(self) -> None:
        await maybeDeferred(self.port.stopListening)
        assert await self.reason() == "Connection refused"

    async def test_stop_without_a_header_is_no_failure(self) -> None:
        self.answers.arrived = Deferred()
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        key_file = Path(folder.name, "key")
        key_file.write_text("secret\n")
        settings = CrowdSecSettings(url=f"http://127.0.0.1:{self.number}", key_file=str(key_file))
        crowdsec = CrowdSec(settings, Bans(), reactor, execute, time.monotonic)
        with capturedLogs() as events:
            crowdsec.start()
            await self.answers.arrived
            crowdsec.stop()
            await self.everything_closed()
        assert [event for event in events if event.get("event") == "crowdsec-failed"] == []
