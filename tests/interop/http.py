"""Raw HTTP clients of a running mailproxy, and curl."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.interop.waiting import PATIENCE_SECONDS

TOKEN = "0123456789abcdef0123456789abcdef"


@frozen
class Got:
    """A response."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def rows(self) -> list[dict[str, Any]]:
        assert self.status == 200, self
        return list(self.json["rows"])


class Http:
    """The HTTP of a mailproxy."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._context = context

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Got:
        if self._context is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        else:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=PATIENCE_SECONDS, context=self._context
            )
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Got(response.status, response.read(), dict(response.getheaders()))
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Got:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, **arguments: str) -> Got:
        """Change something, with the token."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        return self._ask("POST", path, json.dumps(arguments).encode(), headers)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return all that comes until the end of the connection."""
        with self.connect() as client:
            client.sendall(data)
            received = b""
            while piece := client.recv(65536):
                received += piece
            return received

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)


def curl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What curl prints."""
    return subprocess.run(
        ["curl", "-sS", "--max-time", str(PATIENCE_SECONDS), *arguments], capture_output=True, text=True, check=False
    )
