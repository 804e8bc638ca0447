"""HTTP clients of a service, all in memory but for the sockets of mail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from mailproxy.control.answers import Answers
from mailproxy.control.questions import Ask
from mailproxy.control.watch import Watch
from mailproxy.web.access import Access
from mailproxy.web.server import HttpServer
from tests.control.bench import Transport as ControlTransport

TOKEN = "0123456789abcdef"
HOST = "localhost:8404"


class Transport(ControlTransport):
    """A transport that can be full after several pieces as after one."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))


@frozen
class Response:
    """A response as it was written."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert self.headers["content-type"] == "application/json"
        return str(self.json["error"])


def parse(data: bytes, *, is_head: bool = False) -> list[Response]:
    """The whole responses in what a client has received."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(": ") for line in lines):
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        if is_head:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while data:
                size, _, data = data.partition(b"\r\n")
                length = int(size, 16)
                body, data = body + data[:length], data[length + 2 :]
                if not length:
                    break
        else:
            length = int(headers.get("content-length", len(data)))
            body, data = data[:length], data[length:]
        found.append(Response(int(first.split()[1]), headers, body))
    return found


CLIENTS: list[Client] = []
"""The clients of this test, which leave at its end: an answer that is freed in its middle is reported as a bug."""


class Web:
    """The HTTP of a service in memory."""

    def __init__(self, service: Any, reactor: Any, publisher: Any, access: Access | None = None) -> None:
        self.reactor = reactor
        self.events: list[Any] = []
        """What the log has, if the test fills it."""
        self.watch = Watch(publisher)
        self.others: list[Ask] = []
        """The other processes of the service."""
        answers = Answers(service, self.watch.__len__, lambda: self.others)
        self.server = HttpServer(service, reactor, answers, self.watch)
        self.server.site.access = access or Access(frozenset({"localhost"}), TOKEN)

    def turn(self, seconds: float = 0.1) -> None:
        """Let some time pass, with a turn of the reactor whenever a call is due, and a hundred at most."""
        end = self.reactor.seconds() + seconds
        for _ in range(100):
            now = self.reactor.seconds()
            due = min((call.getTime() for call in self.reactor.getDelayedCalls()), default=end)
            if due >= end:
                break
            self.reactor.advance(max(due - now, 0.0))
        self.reactor.advance(max(end - self.reactor.seconds(), 0.0))

    def client(self) -> Client:
        return Client(self)

    def get(self, path: str, method: str = "GET", **headers: str) -> Response:
        """Send a request without a body on a connection of its own."""
        return self.client().ask(method, path, b"", **headers)

    def post(self, path: str, body: Any = None, *, token: str = TOKEN, **headers: str) -> Response:
        """Send a request for a change, as a program does that has the token."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        usual = {"Authorization": f"Bearer {token}", "Content_Type": "application/json"}
        return self.client().ask("POST", path, data, **(usual | headers))


class Client:
    """A connection of a client."""

    def __init__(self, web: Web) -> None:
        self._web = web
        self.transport = Transport()
        self.channel = web.server.buildProtocol(None)
        self.channel.makeConnection(self.transport)
        CLIENTS.append(self)

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)
        self._web.turn()

    def received(self, *, is_head: bool = False) -> list[Response]:
        data = self.transport.value()
        self.transport.clear()
        return parse(data, is_head=is_head)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
        """Send a request, and return its response; underscores in names of headers are hyphens."""
        fields = {"Host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body:
            fields["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        self.send("\r\n".join(lines).encode() + body)
        self.wait()
        (response,) = self.received(is_head=method == "HEAD")
        return response

    def wait(self) -> None:
        """Wait until the request is answered: long answers have many turns, with rests between them."""
        for _ in range(100):
            if not self.channel.is_answering:
                return
            self._web.turn()

    def lose(self) -> None:
        CLIENTS.remove(self)
        self.channel.connectionLost(Failure(connectionDone.value))
