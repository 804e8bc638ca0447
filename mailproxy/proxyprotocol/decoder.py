"""Reads one header from the beginning of a connection, in any pieces."""

from __future__ import annotations

from mailproxy.proxyprotocol import v1, v2
from mailproxy.proxyprotocol.errors import HeaderRefused, NotProxyProtocol, TruncatedHeader
from mailproxy.proxyprotocol.header import Family, Header
from mailproxy.proxyprotocol.strictness import Strictness
from mailproxy.proxyprotocol.tlv import TlvType

_DEFAULT = Strictness()
# The type of a handshake record (RFC 8446 section 5.1).
_TLS_HANDSHAKE = 0x16

_VERSIONS = {v1.SIGNATURE[0]: 1, v2.SIGNATURE[0]: 2}


class Decoder:
    """
    Reads exactly one header (mutable; one per connection).

    Pass the received bytes to `feed` until it returns the header or raises a `ProxyProtocolError`; call `end` when the
    connection ends. Other bytes are refused at the first byte that cannot belong to a header; only the part after the
    fixed part of a version 2 header, and the fields of a version 1 line, are checked when they are complete. No byte is
    copied more than three times, however small the pieces.

    To read from a socket that other code reads next (OpenSSL, for example), read at most `wanted` bytes at a time: then
    no byte after the header is taken.
    """

    __slots__ = ("_buffer", "_header", "_size", "_strictness", "_version", "unused")

    def __init__(self, strictness: Strictness = _DEFAULT) -> None:
        """Begin at the first byte of a connection."""
        if not isinstance(strictness, Strictness):
            raise ValueError(f"strictness {strictness!r} is not a Strictness")
        self._strictness = strictness
        self._buffer: bytes | bytearray = b""
        self._version: int | None = None
        self._size: int | None = None
        self._header: Header | None = None
        self.unused = b""
        """The bytes after the header; all bytes, if `feed` raised `NotProxyProtocol`."""

    @property
    def received(self) -> int:
        """The number of bytes fed so far, including those after the header."""
        return len(self._buffer)

    @property
    def wanted(self) -> int:
        """
        The number of bytes that can be read without reading past the header: at least 1, and 0 when it is complete.
        """
        if self._header is not None:
            return 0
        if self._size is not None:
            return self._size - len(self._buffer)
        # Before the first byte both versions are possible, and the shortest header is a version 1 line.
        if self._version == 1 or (self._version is None and 1 in self._strictness.versions):
            return v1.wanted(self._buffer)
        return v2.FIXED_SIZE - len(self._buffer)

    def feed(self, data: bytes) -> Header | None:
        """
        Take the next bytes; return the header when it is complete, None while it is not.

        Raises `ProxyProtocolError` if the bytes cannot become an accepted header, and ValueError if the header is
        complete already.
        """
        if self._header is not None:
            raise ValueError("the header is complete; the bytes after it belong to the connection")
        buffer = self._buffer
        if not buffer:
            # A header usually comes in one piece, which needs no copy.
            buffer = self._buffer = bytes(data)
            if not buffer:
                return None
        else:
            if isinstance(buffer, bytes):
                buffer = self._buffer = bytearray(buffer)
            buffer += data
        size = self._size
        if size is None:
            size = self._size = self._measure()
        if size is None or len(buffer) < size:
            return None
        header = self._header = self._parse(bytes(buffer[:size]))
        self.unused = bytes(buffer[size:])
        return header

    def end(self) -> Header:
        """The connection has ended: return the header, or raise `TruncatedHeader`."""
        if self._header is not None:
            return self._header
        if not self._buffer:
            raise TruncatedHeader("the connection ended before a header began")
        size = self._size or "at least " + str(len(self._buffer) + self.wanted)
        raise TruncatedHeader(f"the connection ended after {len(self._buffer)} bytes of a header that has {size}")

    def _measure(self) -> int | None:
        try:
            if self._version is None:
                self._version = self._detect()
            if self._version == 1:
                return v1.measure(self._buffer, self._strictness.max_size)
            return v2.measure(self._buffer, self._strictness)
        except NotProxyProtocol:
            self.unused = bytes(self._buffer)
            raise

    def _detect(self) -> int:
        version = _VERSIONS.get(self._buffer[0])
        if version not in self._strictness.versions:
            accepted = " or ".join(str(accepted) for accepted in self._strictness.versions)
            tls = "; TLS does: the peer sends no PROXY header" if self._buffer[0] == _TLS_HANDSHAKE else ""
            raise NotProxyProtocol(
                f"byte 0 is 0x{self._buffer[0]:02x}, no header of version {accepted} begins with it{tls}"
            )
        return version

    def _parse(self, data: bytes) -> Header:
        strictness = self._strictness
        if self._version == 1:
            header = v1.parse(data)
            if not strictness.accept_unspec and header.family is Family.UNSPEC:
                raise HeaderRefused("PROXY without addresses (UNKNOWN) is not accepted here")
        else:
            header = v2.parse(data)
        if strictness.require_crc32c and header.first(TlvType.CRC32C) is None:
            raise HeaderRefused(f"a version {header.version} header without CRC32C is not accepted here")
        return header


def decode(data: bytes, strictness: Strictness = _DEFAULT) -> Header:
    """Read the complete header at the beginning of `data`; raises `ProxyProtocolError`."""
    decoder = Decoder(strictness)
    return decoder.feed(data) or decoder.end()
