"""A small threaded mail server on loopback, with STARTTLS as good or bad as its flaws make it."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

from tests.audit.flaw import Flaw
from tests.audit.scripts import SCRIPTS, Flaws, Script

_LONGEST_WAIT = 3.0
_HANDSHAKE = b"\x16"


class _Session:
    """One connection."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, protocol: str, flaws: Flaws) -> None:
        self._socket = connection
        self._socket.settimeout(_LONGEST_WAIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._context = context
        self._buffer = b""
        self._script: Script = SCRIPTS[protocol](flaws, self._read)

    def serve(self) -> None:
        if self._script.has(Flaw.CLOSES_AT_ONCE):
            return
        if self._script.has(Flaw.IS_MUTE):
            self._socket.recv(1)
            return
        self._socket.sendall(self._script.greeting())
        while not self._script.is_over:
            line = self._line()
            if not self._script.is_starttls(line):
                self._socket.sendall(self._script.answer(line))
            elif self._script.refuses_starttls(line.endswith(b" NOW")):
                self._socket.sendall(self._script.refusal(line))
            else:
                self._start_tls(line)

    def close(self) -> None:
        self._socket.close()

    def _start_tls(self, line: bytes) -> None:
        has = self._script.has
        tolerant = {Flaw.DISCARDS_BUFFER, Flaw.KEEPS_BUFFER, Flaw.EXECUTES_BUFFER_QUIETLY, Flaw.GOES_ON_WITHOUT_TLS}
        if self._buffer and not tolerant & self._script.flaws:
            raise EOFError
        self._socket.sendall(self._script.go_ahead(line))
        if has(Flaw.SPEAKS_BEFORE_HANDSHAKE):
            self._socket.sendall(b"psst\r\n")
        while has(Flaw.GOES_ON_WITHOUT_TLS) and (self._buffer or self._socket.recv(1, socket.MSG_PEEK) != _HANDSHAKE):
            self._socket.sendall(self._script.answer(self._line(1)))
        self._socket = self._context.wrap_socket(self._socket, server_side=True)
        self._script.secure()
        if has(Flaw.EXECUTES_BUFFER_QUIETLY):
            while self._buffer and not self._script.is_over:
                self._script.answer(self._line())
        if not has(Flaw.KEEPS_BUFFER):
            self._buffer = b""
        if has(Flaw.GREETS_TWICE) or (self._script.listing_after_tls and not has(Flaw.LISTS_NOTHING)):
            self._socket.sendall(
                self._script.greeting() * (1 + (has(Flaw.GREETS_TWICE) & self._script.listing_after_tls))
            )

    def _line(self, at_a_time: int = 65536) -> bytes:
        while b"\n" not in self._buffer:
            self._receive(at_a_time)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.removesuffix(b"\r")

    def _read(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._receive(65536)
        data, self._buffer = self._buffer[:length], self._buffer[length:]
        return data

    def _receive(self, at_most: int) -> None:
        data = self._socket.recv(at_most)
        if not data:
            raise EOFError
        self._buffer += data


@contextmanager
def serving(protocol: str, context: ssl.SSLContext, *flaws: Flaw) -> Iterator[int]:
    """Serve a protocol on a port of 127.0.0.1, and end all connections afterwards."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            session = _Session(self.request, context, protocol, frozenset(flaws))
            with suppress(EOFError, OSError):
                session.serve()
            session.close()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.002,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
