"""The first bytes of TLS connections, good and bad, without a TLS connection around them."""

import ssl

from tests.interop.certificates import SERVER_NAME

_HANDSHAKE, _CLIENT_HELLO = 0x16, 0x01
_RECORD_BYTES = 0x4000  # the largest a TLS record may be (RFC 8446 section 5.1)


def client_hello(context: ssl.SSLContext) -> bytes:
    """What a client sends first."""
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=SERVER_NAME)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake ended before the server spoke")


def endless_client_hello() -> bytes:
    """A ClientHello that announces 16 MiB, with the first 160 KiB of it in records of the legal size."""
    body = bytes([_CLIENT_HELLO, 0xFF, 0xFF, 0xFF]) + bytes(10 * _RECORD_BYTES - 4)
    return b"".join(
        bytes([_HANDSHAKE, 3, 1]) + _RECORD_BYTES.to_bytes(2) + body[at : at + _RECORD_BYTES]
        for at in range(0, len(body), _RECORD_BYTES)
    )


def garbage_record() -> bytes:
    """A record with the head of the largest handshake message and no content."""
    return bytes([_HANDSHAKE, 3, 1, 0xFF, 0xFF]) + bytes(range(256)) * 256
