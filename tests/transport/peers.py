"""The other ends of connections: what a client or a server does, without waiting for anything."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress

_SOME = 256 * 1024

# Signature, version, family and length.
_HEADER_START = 16


class Peer:
    """
    One end of a connection without TLS.

    It reads all there is whenever it is told to `pull`, unless `reading` is False. `data` is what has come, `fin` and
    `reset` are how it ended.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            # What is said leaves at once, as from any mail server, and is not lost to a reset that follows.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.reading = True
        self.data = bytearray()
        self.fin = False
        self.reset = False
        self._unsent = b""

    def pull(self) -> bool:
        """Send what waits and read all there is; tell whether anything moved."""
        moved = self._push()
        while self.reading and not (self.fin or self.reset):
            try:
                data = self.socket.recv(_SOME)
            except BlockingIOError:
                break
            except OSError:
                self.reset = True
                return True
            moved = True
            if data:
                self._received(data)
            else:
                self.fin = True
        return moved

    def _push(self) -> bool:
        if not self._unsent or self.reset or self.socket.fileno() < 0:
            return False
        try:
            taken = self.socket.send(self._unsent)
        except BlockingIOError:
            return False
        except OSError:
            self._unsent = b""
            return True
        self._unsent = self._unsent[taken:]
        return True

    def _received(self, data: bytes) -> None:
        self.data += data

    def send_raw(self, data: bytes) -> None:
        """Send raw bytes, after those that wait."""
        self._unsent += data
        self._push()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.send_raw(data)

    @property
    def unsent(self) -> int:
        """How many bytes the kernel has not taken."""
        return len(self._unsent)

    def end(self) -> None:
        """Say that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give up the socket."""
        self.socket.close()
        self.reading = False

    def break_off(self) -> None:
        """Give up the socket with a reset (TCP)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()


class TlsPeer(Peer):
    """
    A TLS client on a connection; its handshake begins at once.

    `secured` tells that the handshake is done, `notified` that close_notify came, `alert` what OpenSSL found wrong.
    `prefix` goes before the ClientHello, in one segment with it. `first` are the bytes that came first.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
        prefix: bytes = b"",
    ) -> None:
        super().__init__(sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = self._wrap(context, server_name, session)
        self.secured = False
        self.notified = False
        self.alert = ""
        self.first = b""
        self._plain = b""
        self._unsent = prefix
        self._go_on()

    def _wrap(self, context: ssl.SSLContext, server_name: str | None, session: ssl.SSLSession | None) -> ssl.SSLObject:
        return context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name, session=session)

    def _received(self, data: bytes) -> None:
        self.first = self.first or data
        self._incoming.write(data)
        self._go_on()

    def _go_on(self) -> None:
        try:
            if not self.secured:
                self.tls.do_handshake()
                self.secured = True
            if self._plain:
                self.tls.write(self._plain)
                self._plain = b""
            while True:
                data = self.tls.read(_SOME)
                if not data:
                    self.notified = True
                    break
                self.data += data
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.notified = True
        except ssl.SSLError as error:
            self.alert = error.reason or str(error)
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.send_raw(self._outgoing.read())

    def send(self, data: bytes) -> None:
        """Send bytes, once the handshake is done."""
        self._plain += data
        self._go_on()

    def notify(self) -> None:
        """Send close_notify, and nothing but."""
        with suppress(ssl.SSLError):  # it waits for the other side's
            self.tls.unwrap()
        self._flush()

    def end(self) -> None:
        """Send close_notify and FIN."""
        self.notify()
        self._push()
        super().end()


class TlsServerPeer(TlsPeer):
    """
    A TLS server on a connection, which may begin with a PROXY header of version 2, in plaintext.

    `header` is what came before the first byte of TLS, `sent` is the first flight of TLS that it sent.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, has_header: bool = False) -> None:
        self.header = b""
        self.sent = b""
        self._has_header = has_header
        super().__init__(sock, context)

    def _wrap(self, context: ssl.SSLContext, server_name: str | None, session: ssl.SSLSession | None) -> ssl.SSLObject:
        return context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _received(self, data: bytes) -> None:
        if self._has_header:
            self.header += data
            size = _HEADER_START + int.from_bytes(self.header[_HEADER_START - 2 : _HEADER_START])
            if len(self.header) < max(size, _HEADER_START):
                return
            self.header, data = self.header[:size], self.header[size:]
            self._has_header = False
        super()._received(data)

    def send_raw(self, data: bytes) -> None:
        """Send raw bytes, after those that wait."""
        self.sent = self.sent or data
        super().send_raw(data)


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return the settings of a client that verifies nothing, and only supports `version` if one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def client_hello(context: ssl.SSLContext, server_name: str) -> bytes:
    """Return what a client sends first."""
    outgoing = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name).do_handshake()
    return outgoing.read()
