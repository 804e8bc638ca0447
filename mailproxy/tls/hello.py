"""
The server name in a ClientHello of TLS 1.2, before OpenSSL sees it.

A session may not be resumed under another name (RFC 6066 section 3). In TLS 1.3 OpenSSL reads the name from each
ClientHello; in TLS 1.2 it resumes under any name, and then returns the session's.
"""

from __future__ import annotations

import re

from mailproxy.tls.openssl import RECORD_BYTES

HEAD_BYTES = 5
"""A record's head is its type (22 is a handshake), a version of two bytes, and the size of the rest in two."""

_RECORD_START = b"\x16\3"
_CLIENT_HELLO = b"\1"
_SERVER_NAME = 0

# The offset of the session id: after the heads of record and message, the version and the random number.
_SESSION_ID = 43

# supported_versions (43) with TLS 1.3 (RFC 8446 section 4.2.1): a cheap test that matches most clients.
offers_13 = re.compile(rb"\0\x2b\0.[\x02-\xfe](?:..)*?\x03\x04", re.DOTALL).search
"""Search a ClientHello for TLS 1.3; None if the client does not have it."""


EARLY_DATA = b"\0\x2a\0\0"
"""The extension early_data of a ClientHello (RFC 8446 section 4.2.10): OpenSSL skips the data after it."""


class NotWhole(ValueError):
    """The bytes are not a ClientHello in one record."""


def lacks(hello: bytes) -> bool:
    """Return whether the first record of a client is incomplete; False if it cannot be a ClientHello."""
    if not _RECORD_START.startswith(hello[:2]):
        return False
    size = int.from_bytes(hello[3:5])
    return len(hello) < HEAD_BYTES or len(hello) < HEAD_BYTES + size <= HEAD_BYTES + RECORD_BYTES


def name_without_13(hello: bytes) -> bytes | None:
    """
    Return the server name, in lower case, from a client without TLS 1.3; empty if it sends none.

    Return None for clients with TLS 1.3; raise `NotWhole` if the bytes do not begin with a whole ClientHello in one
    record.
    """
    if offers_13(hello):
        return None
    end = HEAD_BYTES + int.from_bytes(hello[3:5])
    message = _CLIENT_HELLO + (end - 9).to_bytes(3, signed=True)
    if len(hello) < end or hello[:2] != _RECORD_START or hello[5:9] != message:
        raise NotWhole
    at = _SESSION_ID
    for size in (1, 2, 1):  # session id, cipher suites, compression methods
        at += size + int.from_bytes(hello[at : at + size])
    at += 2  # of all extensions together
    while at + 4 <= end:
        kind, size = int.from_bytes(hello[at : at + 2]), int.from_bytes(hello[at + 2 : at + 4])
        if kind == _SERVER_NAME:
            # One entry: the size of the list, the type of the name, the size of the name (RFC 6066 section 3).
            return hello[at + 9 : at + 4 + size].lower()
        at += 4 + size
    return b""
