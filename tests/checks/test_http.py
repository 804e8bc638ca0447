"""Checks over HTTP, with a server that a test plays over loopback and the reactor's own time."""

from __future__ import annotations

import gc
import gzip
import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast
from unittest.mock import patch

import trustme
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import ContextFactory
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.server import Request as ServerRequest

from mailproxy.checks.http import HttpCheck, Request
from mailproxy.checks.http_connection import LEFT_BYTES, MAX_BYTES, MAX_INTERIM, MAX_LINE_BYTES, MAX_LINES
from mailproxy.checks.outcome import Outcome
from mailproxy.transport.outgoing import Target
from tests.garbage import only_new_garbage

CLOSING_SECONDS = 0.02


class Answers(Resource):
    """Answers everything in the same way, and remembers what was asked."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.body = b'[["doveadmResponse",[{"listening":true,"count":3}],"t"]]'
        self.location = b""
        self.headers: dict[str, str] = {}
        self.encodings: list[bytes | None] = []
        self.is_silent = False
        self.asked: list[tuple[bytes, bytes, bytes, bytes | None]] = []

    def render(self, request: ServerRequest) -> bytes | int:
        content = request.content
        assert content is not None
        self.asked.append((request.method, request.uri, content.read(), request.getHeader(b"authorization")))
        self.encodings.append(request.getHeader(b"accept-encoding"))
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
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
        self.addCleanup(lambda: Deferred.fromCoroutine(self.everything_closed()))
        self.answers = Answers()
        self.site = WrappingFactory(Site(self.answers))
        self.port = cast(Any, reactor).listenTCP(0, self.site, interface="127.0.0.1")
        self.number: int = self.port.getHost().port
        self.url = f"http://{{host}}:{self.number}/"

    async def everything_closed(self) -> None:
        await maybeDeferred(self.port.stopListening)
        while self.site.protocols:
            await deferLater(cast(Any, reactor), 0.01)
        await deferLater(cast(Any, reactor), 2 * CLOSING_SECONDS)

    async def check(self, *, seconds: float = 5.0, **request: Any) -> Outcome:
        over: Deferred[Outcome] = Deferred()
        asked = Request(**{"url": self.url, "protocol": "imap", **request})
        HttpCheck(asked, seconds, reactor, CLOSING_SECONDS).begin(
            Target(socket.AF_INET, ("127.0.0.1", 143)), over.callback
        )
        return await over

    async def test_right_status_is_well(self) -> None:
        outcome = await self.check()
        assert outcome == Outcome(True, "HTTP status 200", outcome.seconds)
        assert self.answers.asked == [(b"GET", b"/", b"", None)]

    async def test_other_status_may_be_right(self) -> None:
        self.answers.status = 204
        assert (await self.check(status=(range(200, 201), range(204, 205)))).ok

    async def test_wrong_status_is_not_well(self) -> None:
        self.answers.status = 503
        outcome = await self.check(status=(range(200, 300), range(301, 302), range(301, 304)))
        assert (outcome.ok, outcome.is_misconfigured) == (False, False)
        assert outcome.reason == "HTTP status: expected 2xx or 301 or 301-303, got 503 Service Unavailable"

    async def test_refused_key_is_misconfigured(self) -> None:
        self.answers.status = 401
        outcome = await self.check(authorization="X-Dovecot-API a2V5")
        assert (outcome.ok, outcome.is_misconfigured) == (True, True)
        assert outcome.reason == "HTTP status: expected 200, got 401 Unauthorized"

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
        assert outcome.reason == 'JSON /0/0: expected "doveadmResponse", got "error"'

    async def test_missing_value_is_not_well(self) -> None:
        outcome = await self.check(json={"/0/1/1": 1})
        assert outcome.reason == "JSON /0/1/1: expected 1, got no value"

    async def test_what_is_no_json_is_not_well(self) -> None:
        for body in (b"", b"\xff", b"[" * 50_000, b"{}x"):
            self.answers.body = body
            outcome = await self.check(json={"": 1})
            assert not outcome.ok
            assert outcome.reason.startswith("HTTP body: expected JSON, got ")

    async def test_long_answer_is_not_well(self) -> None:
        self.answers.body = b" " * MAX_BYTES
        outcome = await self.check(json={"": 1})
        assert outcome.reason == f"HTTP: more than {MAX_BYTES} bytes"

    async def test_answer_may_be_as_long_as_doveadms(self) -> None:
        self.answers.body = b" " * (MAX_BYTES - 1024) + b"1"
        assert (await self.check(json={"": 1})).ok

    async def test_encoded_answer_is_asked_for_by_nobody_and_not_decoded(self) -> None:
        self.answers.headers = {"Content-Encoding": "gzip"}
        self.answers.body = gzip.compress(b" " * 1_000_000)
        assert (await self.check()).ok
        outcome = await self.check(json={"": 1})
        assert outcome.reason == "HTTP body: expected no Content-Encoding, got gzip"
        assert self.answers.encodings == [None, None]

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

    async def test_key_that_a_server_repeats_is_not_reported(self) -> None:
        self.answers.body = b'["X-Dovecot-API a2V5", "a2V5"]'
        for pointer in ("/0", "/1"):
            outcome = await self.check(authorization="X-Dovecot-API a2V5", json={pointer: "x"})
            assert "a2V5" not in outcome.reason
            assert "<authorization>" in outcome.reason

    async def test_cancelled_check_says_nothing(self) -> None:
        self.answers.is_silent = True
        outcomes: list[Outcome] = []
        check = HttpCheck(Request(url=self.url, protocol="imap", json={"": 1}), 5.0, reactor, CLOSING_SECONDS)
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


class Pouring(Protocol):
    """A server that answers with an opening and then with the same bytes until the connection is gone."""

    factory: Pours

    def connectionMade(self) -> None:
        self.factory.open += 1

    def dataReceived(self, data: bytes) -> None:
        transport = cast(Any, self.transport)
        transport.write(self.factory.opening)
        if self.factory.flood:
            transport.registerProducer(self, False)
        elif self.factory.closes:
            transport.loseConnection()

    def resumeProducing(self) -> None:
        self.factory.sent += len(self.factory.flood)
        cast(Any, self.transport).write(self.factory.flood)

    def stopProducing(self) -> None:
        self.factory.flood = b""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open -= 1


class Pours(Factory):
    """Makes such servers."""

    noisy = False

    def __init__(self, opening: bytes, flood: bytes = b"", *, closes: bool = False) -> None:
        self.opening = opening
        self.flood = flood
        self.closes = closes
        self.open = 0
        self.sent = 0

    def buildProtocol(self, addr: object) -> Any:
        pouring = Pouring()
        pouring.factory = self
        return pouring


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class BoundTests(TestCase):
    """What a server may send before a check gives up."""

    BUFFERED: ClassVar = 8 * 1024 * 1024
    """What loopback's sockets may hold of what a server has sent."""

    def setUp(self) -> None:
        self.addCleanup(lambda: deferLater(cast(Any, reactor), 2 * CLOSING_SECONDS))

    async def check(self, server: Pours, **request: Any) -> Outcome:
        port = cast(Any, reactor).listenTCP(0, server, interface="127.0.0.1")
        url = f"http://127.0.0.1:{port.getHost().port}/"
        over: Deferred[Outcome] = Deferred()
        target = Target(socket.AF_INET, ("127.0.0.1", 143))
        HttpCheck(Request(url, "imap", **request), 30.0, reactor, CLOSING_SECONDS).begin(target, over.callback)
        outcome = await over
        while server.open:
            await deferLater(cast(Any, reactor), 0.01)
        await maybeDeferred(port.stopListening)
        return outcome

    async def assert_too_much(self, reason: str, opening: bytes, flood: bytes) -> None:
        """A server that does not end is left at once, and what it sent too much is not read."""
        server = Pours(opening, flood * (4096 // len(flood) + 1))
        outcome = await self.check(server)
        assert not outcome.ok
        assert outcome.reason == f"HTTP: {reason}"
        assert outcome.seconds < 10.0
        assert server.sent < self.BUFFERED

    async def test_endless_headers_are_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_LINES} lines before the body", HEAD, b"X-A: b\r\n")

    async def test_endless_header_line_is_not_well(self) -> None:
        await self.assert_too_much(f"a line of more than {MAX_LINE_BYTES} bytes", HEAD + b"X-A: ", b"b")

    async def test_endless_folded_lines_are_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_LINES} lines before the body", HEAD + b"X-A: b\r\n", b" c\r\n")

    async def test_endless_status_line_is_not_well(self) -> None:
        await self.assert_too_much(f"a line of more than {MAX_LINE_BYTES} bytes", b"HTTP/1.1 200 ", b"OK ")

    async def test_endless_interim_answers_are_not_well(self) -> None:
        with capturedLogs() as events:
            await self.assert_too_much(f"more than {MAX_INTERIM} 1xx responses", b"", b"HTTP/1.1 100 Continue\r\n\r\n")
        assert len([event for event in events if "twisted.web" in event["log_namespace"]]) <= MAX_INTERIM + 1

    async def test_endless_body_is_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_BYTES} bytes", HEAD + b"\r\n", b"a")

    async def test_endless_chunks_are_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_BYTES} bytes", CHUNKED, b"1\r\na\r\n")

    async def test_endless_chunk_is_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_BYTES} bytes", CHUNKED + b"ffffffff\r\n", b"a")

    async def test_endless_trailers_are_not_well(self) -> None:
        await self.assert_too_much(f"more than {MAX_BYTES} bytes", CHUNKED + b"1\r\na\r\n0\r\n", b"X-A: b\r\n")

    async def test_some_interim_answers_and_folded_lines_are_read(self) -> None:
        interim = b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * MAX_INTERIM
        answer = HEAD + b"X-A: b\r\n c\r\nContent-Length: 1\r\n\r\n1"
        assert (await self.check(Pours(interim + answer), json={"": 1})).ok

    async def test_nothing_that_holds_much_is_left_to_the_collector(self) -> None:
        long = b"".join(b"X-%d: %s\r\n" % (n, b"b" * 4000) for n in range(12))
        servers = {
            "status": lambda: Pours(HEAD + long + b"Content-Length: 2\r\n\r\n{}"),
            "other status": lambda: Pours(b"HTTP/1.1 500 No\r\n" + long + b"Content-Length: 2\r\n\r\n{}"),
            "no status": lambda: Pours(b"* OK" + b"a" * 8000 + b"\r\n"),
            "no end of headers": lambda: Pours(HEAD + long, closes=True),
            "no end of the body": lambda: Pours(HEAD + long + b"Content-Length: 9\r\n\r\n{}", closes=True),
            "too many lines": lambda: Pours(HEAD, b"X-A: b\r\n" * 1000),
            "too many bytes": lambda: Pours(HEAD + b"\r\n", b"a" * 5000),
        }
        with only_new_garbage():
            for name, server in servers.items():
                await self.check(server())
                assert garbage_bytes() < 2048, name

    async def test_what_chunked_answers_leave_is_bounded(self) -> None:
        count, size = 12, 3 * 8000
        keep_alive = (b"Keep-Alive: " + b"a" * 8000 + b"\r\n") * 3
        server = Pours(HEAD + keep_alive + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        port = cast(Any, reactor).listenTCP(0, server, interface="127.0.0.1")
        check = HttpCheck(Request(f"http://127.0.0.1:{port.getHost().port}/", "imap"), 30.0, reactor, CLOSING_SECONDS)
        with only_new_garbage():
            for _ in range(count):
                over: Deferred[Outcome] = Deferred()
                check.begin(Target(socket.AF_INET, ("127.0.0.1", 143)), over.callback)
                assert (await over).ok
                while server.open:
                    await deferLater(cast(Any, reactor), 0.01)
            await maybeDeferred(port.stopListening)
            assert count * size > LEFT_BYTES
            assert garbage_bytes() < LEFT_BYTES


def garbage_bytes() -> int:
    """Collect what nothing refers to, and return how many bytes it held in byte strings."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        held = {id(each): each for found in gc.garbage for each in gc.get_referents(found) if isinstance(each, bytes)}
        return sum(map(len, held.values()))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()


def test_request_does_not_show_its_key() -> None:
    assert "a2V5" not in repr(Request(url="http://x/", protocol="imap", authorization="X-Dovecot-API a2V5"))


def test_ipv6_host_is_in_brackets() -> None:
    request = Request(url="http://{host}:8080/", protocol="imap")
    assert request.filled(request.url, Target(socket.AF_INET6, ("::1", 143))) == "http://[::1]:8080/"
