"""A service that answers any number of clients on a real admin socket, with the rows that a test gives it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailproxy.top.sample import Row
from tests.control.service import DONE, HELLO
from tests.top.rows import event, sample


class Service:
    """Answers by command until it is closed; a watcher gets the events, and then nothing more."""

    def __init__(
        self, path: Path, rows: Mapping[str, Sequence[Row]] | None = None, events: Sequence[Row] = (event("ready"),)
    ) -> None:
        self.path = str(path)
        self.rows = dict(sample().rows if rows is None else rows)
        self.asked: list[dict[str, Any]] = []
        self._events = events
        self._clients: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=[client]))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ValueError), client.makefile("rwb") as file:
            file.write(_line(HELLO))
            file.flush()
            for line in file:
                asked = json.loads(line)
                self.asked.append(asked)
                file.write(b"".join(map(_line, self._answer(asked["command"]))))
                file.flush()

    def _answer(self, command: str) -> list[Row]:
        if command == "watch":
            return list(self._events)
        if command not in self.rows:
            return [{"type": "error", "error": "no source is counted here"}]
        return [*({"type": "row", **row} for row in self.rows[command]), DONE]

    def close(self) -> None:
        """Disconnect all clients, and remove the socket."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for one in (self._socket, *self._clients):
            one.close()
        Path(self.path).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _line(fields: Row) -> bytes:
    return json.dumps(fields).encode() + b"\n"
