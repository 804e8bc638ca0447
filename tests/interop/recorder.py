"""A backend that records each PROXY header to the byte and then behaves well or badly, as told."""

import queue
import socket
import threading
from collections.abc import Callable

from tests.interop import headers
from tests.interop.server import ThreadedServer, reset, until_end
from tests.interop.waiting import PATIENCE_SECONDS

GREETING = b"* OK recorder ready\r\n"


# mailproxy's first look at a server begins so.
_ON_NOBODY_S_BEHALF = (b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", b"PROXY UNKNOWN\r\n")


class Recorded:
    """One connection to the backend: what came first, and what came after it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.peer = connection.getpeername()
        self.header = b""
        self.header_came_alone = False
        self.received = bytearray()
        self.ended = threading.Event()

    def read_header(self) -> None:
        """Read one PROXY header, noticing whether the first segment held all of it and nothing else."""
        self.header = self.socket.recv(65536)
        size = headers.length(self.header)
        self.header_came_alone = size == len(self.header)
        while size is None or len(self.header) < size:
            more = self.socket.recv(65536)
            if not more:
                return
            self.header += more
            size = headers.length(self.header)
        self.received += self.header[size:]
        self.header = self.header[:size]


Behaviour = Callable[[Recorded], None]


class Recorder:
    """The backend; a context manager around its server."""

    def __init__(
        self,
        behave: Behaviour,
        *,
        header: bool = True,
        is_looked_at: bool = True,
        port: int | None = None,
        host: str | None = None,
    ) -> None:
        """
        Call `behave` with every connection, after reading its PROXY header unless `header` is False.

        The first connection without a client is mailproxy's test of its server: it is closed, and not recorded,
        unless `is_looked_at` is False.
        """
        self._behave = behave
        self._header = header
        self._arrived: queue.Queue[Recorded] = queue.Queue()
        self.connections: list[Recorded] = []
        self._was_looked_at = not is_looked_at
        self._server = ThreadedServer(self._serve, port=port, host=host)
        self.port = self._server.port

    def next(self) -> Recorded:
        """The next connection, once its header is there; queue.Empty if none comes in time."""
        return self._arrived.get(timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        """End the server and all connections."""
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        recorded = Recorded(connection)
        # Until mailproxy has looked, only the header says whether this is a client's connection.
        is_unknown = self._header and not self._was_looked_at
        if not is_unknown:
            self.connections.append(recorded)
        try:
            if self._header:
                recorded.read_header()
            if is_unknown:
                if recorded.header in _ON_NOBODY_S_BEHALF and not self._was_looked_at:
                    self._was_looked_at = True
                    return
                self.connections.append(recorded)
            self._arrived.put(recorded)
            self._behave(recorded)
        finally:
            recorded.ended.set()


def echo(greeting: bytes = GREETING) -> Behaviour:
    """Greet, then send back whatever comes."""

    def behave(recorded: Recorded) -> None:
        recorded.socket.sendall(greeting)
        while data := recorded.socket.recv(65536):
            recorded.received += data
            recorded.socket.sendall(data)

    return behave


def greet_when(allowed: threading.Event, greeting: bytes = GREETING) -> Behaviour:
    """Greet, and echo, only once the event is set."""

    def behave(recorded: Recorded) -> None:
        assert allowed.wait(PATIENCE_SECONDS)
        echo(greeting)(recorded)

    return behave


def close_at_once(recorded: Recorded) -> None:
    """Say nothing and close."""


def reset_at_once(recorded: Recorded) -> None:
    """Say nothing and reset the connection."""
    reset(recorded.socket)


def stall(recorded: Recorded) -> None:
    """Never say anything; take what comes until the other side ends."""
    recorded.received += until_end(recorded.socket)


def greet_and_reset(recorded: Recorded) -> None:
    """Greet, wait for the client's first bytes, reset."""
    recorded.socket.sendall(GREETING)
    recorded.received += recorded.socket.recv(65536)
    reset(recorded.socket)


def greet_and_half_close(recorded: Recorded) -> None:
    """Greet, half-close, and continue to receive from the client."""
    recorded.socket.sendall(GREETING)
    recorded.socket.shutdown(socket.SHUT_WR)
    recorded.received += until_end(recorded.socket)
