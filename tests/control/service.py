"""A service that plays back, at the other end of a real socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HELLO: dict[str, Any] = {"type": "hello", "mailproxy": "0.1.0", "protocol": 1, "pid": 1}
DONE: dict[str, Any] = {"type": "done", "rows": 0, "message": ""}


class Playback:
    """Listens on a socket, and answers each request of one client with the next lines."""

    def __init__(self, path: Path, *answers: Sequence[dict[str, Any]], hello: Any = HELLO) -> None:
        self.path = str(path)
        self.requests: list[dict[str, Any]] = []
        self._answers = answers
        self._hello = hello
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):  # the client has left
            self._play()

    def _play(self) -> None:
        connection, _ = self._socket.accept()
        with connection, connection.makefile("rwb") as file:
            file.write(self._hello if isinstance(self._hello, bytes) else _line(self._hello))
            file.flush()
            for answer in self._answers:
                line = file.readline()
                if not line:
                    return
                self.requests.append(json.loads(line))
                file.write(b"".join(map(_line, answer)))
                file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_UNIX) as nobody:  # it may wait for a client yet
            nobody.connect(self.path)
        self._thread.join(5)
        self._socket.close()


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode() + b"\n"
