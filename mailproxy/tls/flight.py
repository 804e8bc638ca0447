"""A handshake in memory, in which OpenSSL reads no more than it is given."""

from __future__ import annotations

from typing import Any

from mailproxy.tls.openssl import do_handshake, ffi, lib

_mem_pointer = ffi.new("char **")


class Flight:
    """
    A handshake in memory: OpenSSL reads from one buffer and writes to another.

    On a socket, OpenSSL would read as long as the peer sends records without payload, or messages in pieces of one
    byte: one call could take seconds.
    """

    __slots__ = ("_incoming", "_outgoing", "_ssl")

    def __init__(self, ssl: Any) -> None:
        self._ssl = ssl
        # The connection owns them from now on.
        memory = lib.BIO_s_mem()
        self._incoming = lib.BIO_new(memory)
        self._outgoing = lib.BIO_new(memory)
        lib.SSL_set_bio(ssl, self._incoming, self._outgoing)

    def go_on(self, buffer: Any, count: int) -> int:
        """Read bytes of a buffer; return the result of `do_handshake`."""
        if count:
            lib.BIO_write(self._incoming, buffer, count)
        return int(do_handshake(self._ssl))

    def unread(self) -> int:
        """Return the number of bytes that OpenSSL has not read."""
        return int(lib.BIO_get_mem_data(self._incoming, _mem_pointer))

    def outgoing(self, buffer: Any, size: int) -> int:
        """Put the bytes to send into a buffer; return their number, 0 or less if there are none."""
        return int(lib.BIO_read(self._outgoing, buffer, size))

    def land(self, descriptor: int) -> None:
        """Read and write on a descriptor from now on; bytes that are left in memory are dropped."""
        lib.SSL_set_fd(self._ssl, descriptor)
