"""A plain threaded TCP server, the ground under the recording backend and the mail relay."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.interop.ports import LOOPBACK, free_port, has_ipv6

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST


class ThreadedServer:
    """Listens on one port of both loopback addresses, or of one IPv4 host, and serves each connection in a thread."""

    def __init__(
        self, serve: Callable[[socket.socket], None], *, port: int | None = None, host: str | None = None
    ) -> None:
        """Listen at once, on a free port unless one is given; `serve` gets each connection, closed after it."""
        self._serve = serve
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self.port = free_port() if port is None else port
        if host is not None:
            addresses = {socket.AF_INET: host}
        else:
            families = [socket.AF_INET, socket.AF_INET6] if has_ipv6() else [socket.AF_INET]
            addresses = {family: LOOPBACK[family] for family in families}
        self._listeners = [
            socket.create_server((address, self.port), family=family, backlog=128)
            for family, address in addresses.items()
        ]
        for listener in self._listeners:
            self._start(self._accept, listener)

    def close(self) -> None:
        """Stop listening, end all connections and wait for their threads."""
        with self._lock:
            for listener in self._listeners:
                if listener.fileno() >= 0:  # it may be closed already
                    listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for listener in self._listeners:
            listener.close()

    def _start(self, target: Callable[[socket.socket], None], subject: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(subject,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    self._connections.add(connection)
                    self._start(self._run, connection)

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._serve(connection)
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def reset(connection: socket.socket) -> None:
    """Close a connection with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    connection.close()


def until_end(connection: socket.socket) -> bytes:
    """Everything the peer sends until it closes or resets; AssertionError if it does neither in time."""
    received = bytearray()
    try:
        while data := connection.recv(65536):
            received += data
    except TimeoutError:
        raise AssertionError(f"no end after {bytes(received[-1000:])!r}") from None
    except OSError:
        pass
    return bytes(received)
