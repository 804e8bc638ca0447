"""A stand-in for CrowdSec's local API: its decisions stream, as its documentation has it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PIECE_BYTES = 65536
KEY = "837be58e22a28738066de1be8f53636b"


class LocalApi:
    """Its decisions, which the test changes, and the requests that have come."""

    def __init__(self) -> None:
        self.requests: list[tuple[bool, int]] = []
        """For each request, whether it asks for all, and the status of the answer."""
        self._lock = threading.Lock()
        self._decisions: dict[str, dict[str, Any]] = {}
        self._new: list[dict[str, Any]] = []
        self._deleted: list[dict[str, Any]] = []
        self.port = 0
        self.raw: bytes | None = None
        """An answer instead of the right one."""

    def decide(self, *values: str, duration: str = "3h59m58.123456789s", **fields: Any) -> None:
        """Add decisions."""
        with self._lock:
            for value in values:
                made = {
                    "duration": duration,
                    "id": len(self._decisions) + 1,
                    "origin": "crowdsec",
                    "scenario": "crowdsecurity/dovecot-spam",
                    "scope": "Range" if "/" in value else "Ip",
                    "type": "ban",
                    "value": value,
                    **fields,
                }
                self._decisions[value] = made
                self._new.append(made)

    def delete(self, value: str) -> None:
        """Delete a decision, as `cscli decisions delete` does."""
        with self._lock:
            self._deleted.append(self._decisions.pop(value) | {"duration": "-1s"})

    def answer(self, path: str, key: str | None) -> tuple[int, bytes]:
        """Answer a request: the status and the body."""
        url = urlsplit(path)
        query = parse_qs(url.query)
        has_all = query.get("startup") == ["true"]
        if key != KEY:
            status, body = 403, b'{"message":"access forbidden"}'
        elif url.path != "/v1/decisions/stream":
            status, body = 404, b'{"message":"page not found"}'
        elif self.raw is not None:
            status, body = 200, self.raw
        else:
            status, body = 200, self.stream(has_all=has_all)
        self.requests.append((has_all, status))
        return status, body

    def stream(self, *, has_all: bool) -> bytes:
        """Return the decisions, or the changes since the last time."""
        with self._lock:
            new = list(self._decisions.values()) if has_all else self._new
            deleted, self._new, self._deleted = self._deleted, [], []
            # Go writes an empty list that was never made as null.
            return json.dumps({"deleted": deleted or None, "new": new or None}).encode()


@contextmanager
def serving(api: LocalApi) -> Iterator[LocalApi]:
    """Serve an API on its port, or on a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = api.answer(self.path, self.headers["X-Api-Key"])
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for place in range(0, len(body), PIECE_BYTES):
                piece = body[place : place + PIECE_BYTES]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", api.port), Handler)
    server.daemon_threads = True
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
