"""Checks over HTTP, with a server that a test plays over loopback and the reactor's own time."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest.mock import patch

import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.ssl import ContextFactory
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.server import Request as ServerRequest

from mailproxy.checks import http
from mailproxy.checks.http import BODY_BYTES, HttpCheck, Request
from mailproxy.checks.outcome import Outcome
from mailproxy.transport.outgoing import Target

CLOSING_SECONDS = 0.02


class Answers(Resource):
    """Answers everything in the same way, and remembers what was asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.body = b'[["doveadmResponse",[{"listening":true,"count":3}],"t"]]'
        self.location = b""
        self.is_silent = False
        self.asked: list[tuple[bytes, bytes, bytes, bytes | None]] = []

    def render(self, request: ServerRequest) -> bytes | int:
        content = request.content
        assert content is not None
        self.asked.append((request.method, request.uri, content.read(), request.getHeader(b"authorization")))
        request.setResponseCode(self.status)
        if self.location:
            request.setHeader(b"location", self.location)
        if self.is_silent:
            request.write(b"[")
            return NOT_DONE_YET
        return self.body


class Serving(ContextFactory):
    """What a listener takes its TLS from."""

    def __init__(self, context: SSL.Context) -> None:
        self._context = context

    def getContext(self) -> SSL.Context:
        return self._context


class HttpTests(TestCase):
    """`HttpCheck`."""

    def setUp(self) -> None:
        self.patch(http, "CLOSE_SECONDS", CLOSING_SECONDS)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.everything_closed()))
        self.answers = Answers()
        self.site = Site(self.answers)
        self.connections: list[Any] = []
        built = self.site.buildProtocol

        def build(address: Any) -> Any:
            self.connections.append(built(address))
            return self.connections[-1]

        self.site.buildProtocol = build  # type: ignore[method-assign]
        self.port = cast(Any, reactor).listenTCP(0, self.site, interface="127.0.0.1")
        self.number: int = self.port.getHost().port
        self.url = f"http://{{host}}:{self.number}/"

    async def everything_closed(self) -> None:
        await maybeDeferred(self.port.stopListening)
        while any(connection._channel.transport.connected for connection in self.connections):
            await deferLater(cast(Any, reactor), 0.01)
        await deferLater(cast(Any, reactor), 2 * CLOSING_SECONDS)

    async def check(self, *, seconds: float = 5.0, **request: Any) -> Outcome:
        over: Deferred[Outcome] = Deferred()
        asked = Request(**{"url": self.url, "protocol": "imap", **request})
        HttpCheck(asked, seconds, reactor).begin(Target(socket.AF_INET, ("127.0.0.1", 143)), over.callback)
        return await over

    async def test_right_status_is_well(self) -> None:
        outcome = await self.check()
        assert outcome == Outcome(True, "HTTP status 200", outcome.seconds)
        assert self.answers.asked == [(b"GET", b"/", b"", None)]

    async def test_other_status_may_be_right(self) -> None:
        self.answers.status = 204
        assert (await self.check(status=(200, 204))).ok

    async def test_wrong_status_is_not_well(self) -> None:
        self.answers.status = 503
        outcome = await self.check(status=(200, 204))
        assert (outcome.ok, outcome.is_misconfigured) == (False, False)
        assert outcome.reason == "HTTP status: expected 200 or 204, came 503 Service Unavailable"

    async def test_refused_key_is_misconfigured(self) -> None:
        self.answers.status = 401
        outcome = await self.check(authorization="X-Dovecot-API a2V5")
        assert (outcome.ok, outcome.is_misconfigured) == (True, True)
        assert outcome.reason == "HTTP status: expected 200, came 401 Unauthorized"

    async def test_redirection_is_an_answer(self) -> None:
        self.answers.status, self.answers.location = 302, b"/elsewhere"
        assert not (await self.check()).ok
        assert len(self.answers.asked) == 1

    async def test_places_are_filled(self) -> None:
        await self.check(
            url=f"http://{{host}}:{self.number}/{{protocol}}?{{host}}", method="POST", body='["{protocol}"]'
        )
        assert self.answers.asked == [(b"POST", b"/imap?127.0.0.1", b'["imap"]', None)]

    async def test_headers_are_sent(self) -> None:
        await self.check(headers={"X-A": "b"}, authorization="X-Dovecot-API a2V5")
        assert self.answers.asked[0][3] == b"X-Dovecot-API a2V5"

    async def test_right_values_are_well(self) -> None:
        expected = {"/0/0": "doveadmResponse", "/0/1/0/listening": True, "/0/1/0/count": 3}
        assert (await self.check(json=expected)).ok

    async def test_wrong_value_is_not_well(self) -> None:
        self.answers.body = b'[["error",{"type":"exitCode","exitCode":68},"t"]]'
        outcome = await self.check(json={"/0/0": "doveadmResponse"})
        assert not outcome.ok
        assert outcome.reason == 'JSON /0/0: expected "doveadmResponse", came "error"'

    async def test_missing_value_is_not_well(self) -> None:
        outcome = await self.check(json={"/0/1/1": 1})
        assert outcome.reason == "JSON /0/1/1: expected 1, came no value there"

    async def test_what_is_no_json_is_not_well(self) -> None:
        for body in (b"", b"\xff", b"[" * 100_000, b"{}x"):
            self.answers.body = body
            outcome = await self.check(json={"": 1})
            assert not outcome.ok
            assert outcome.reason.startswith("HTTP body: expected JSON, came ")

    async def test_endless_answer_is_not_well(self) -> None:
        self.answers.body = b" " * (BODY_BYTES + 1)
        outcome = await self.check(json={"": 1})
        assert outcome.reason == f"HTTP body: expected {BODY_BYTES} bytes at most, came more"

    async def test_half_an_answer_is_given_up(self) -> None:
        self.answers.is_silent = True
        outcome = await self.check(json={"": 1}, seconds=0.2)
        assert not outcome.ok
        assert outcome.reason == "no answer within 0.2 s"

    async def test_closed_port_is_not_well(self) -> None:
        await self.port.stopListening()
        outcome = await self.check()
        assert not outcome.ok
        assert outcome.reason == "HTTP: Connection refused"

    async def test_server_that_does_not_speak_http_is_not_well(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            over = Deferred.fromCoroutine(self.check(url=f"http://127.0.0.1:{listening.getsockname()[1]}/"))
            while True:
                await deferLater(cast(Any, reactor), 0.01)
                try:
                    connection, _ = listening.accept()
                    break
                except BlockingIOError:
                    continue
            connection.sendall(b"* OK ready\r\n")
            outcome = await over
            connection.close()
        assert not outcome.ok
        assert outcome.reason.startswith("HTTP: ")

    async def test_key_that_a_server_repeats_is_not_told(self) -> None:
        self.answers.body = b'["X-Dovecot-API a2V5", "a2V5"]'
        for pointer in ("/0", "/1"):
            outcome = await self.check(authorization="X-Dovecot-API a2V5", json={pointer: "x"})
            assert "a2V5" not in outcome.reason
            assert "<authorization>" in outcome.reason

    async def test_cancelled_check_says_nothing(self) -> None:
        self.answers.is_silent = True
        outcomes: list[Outcome] = []
        check = HttpCheck(Request(url=self.url, protocol="imap", json={"": 1}), 5.0, reactor)
        run = check.begin(Target(socket.AF_INET, ("127.0.0.1", 143)), outcomes.append)
        while not self.answers.asked:
            await deferLater(cast(Any, reactor), 0.01)
        run.cancel()
        await deferLater(cast(Any, reactor), 0.05)
        assert outcomes == []

    async def test_server_is_verified(self) -> None:
        authority, other = trustme.CA(), trustme.CA()
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        authority.issue_cert("localhost").configure_cert(context)
        port = cast(Any, reactor).listenSSL(0, self.site, Serving(context), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number = port.getHost().port
        with TemporaryDirectory() as folder:
            trusted = str(Path(folder, "ca.pem"))
            with patch.dict(os.environ, SSL_CERT_FILE=trusted):
                authority.cert_pem.write_to_path(trusted)
                good = await self.check(url=f"https://localhost:{number}/")
                wrong = await self.check(url=f"https://127.0.0.1:{number}/")
                other.cert_pem.write_to_path(trusted)
                unknown = await self.check(url=f"https://localhost:{number}/")
        assert good.ok, good.reason
        assert not wrong.ok
        assert not unknown.ok
        assert "certificate verify failed" in unknown.reason


def test_request_does_not_show_its_key() -> None:
    assert "a2V5" not in repr(Request(url="http://x/", protocol="imap", authorization="X-Dovecot-API a2V5"))


def test_ipv6_host_is_in_brackets() -> None:
    request = Request(url="http://{host}:8080/", protocol="imap")
    assert request.filled(request.url, Target(socket.AF_INET6, ("::1", 143))) == "http://[::1]:8080/"
