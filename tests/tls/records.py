"""
Records that no TLS library makes for Python, sealed with the keys of a connection that one of them made.

The keys come from a key log file (``SSLContext.keylog_filename``). The cipher suite has to be AES in GCM mode, in TLS
1.2 one of `CIPHERS_12`.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23

CIPHERS_12 = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
"""What a client of TLS 1.2 has to ask for."""

SERVER_RANDOM = slice(11, 43)
"""Where a ServerHello has its random number: behind the heads of record and message, and the version."""

HELLO_REQUEST = bytes(4)
"""The message with which a server of TLS 1.2 asks for another handshake (RFC 5246 section 7.4.1.1)."""

_KEY_UPDATE = b"\x18\0\0\1"
_KEY_BYTES, _SALT_BYTES = 16, 4


class Sender:
    """Seals records of one side of a TLS 1.3 connection after the handshake (RFC 8446 sections 5.2, 7)."""

    def __init__(self, key_log: Path, side: str = "CLIENT") -> None:
        """Take the last keys in the log; `side` is "CLIENT" or "SERVER"."""
        self._secret = bytes.fromhex(_logged(key_log, f"{side}_TRAFFIC_SECRET_0")[-1])
        self._hash, self._key_bytes = ("sha256", 16) if len(self._secret) == 32 else ("sha384", 32)
        self._take_keys()

    def _take_keys(self) -> None:
        self._aead = AESGCM(self._derive(b"key", self._key_bytes))
        self._iv = int.from_bytes(self._derive(b"iv", 12))
        self._number = 0

    def _derive(self, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = size.to_bytes(2) + bytes([len(label)]) + label + b"\0"
        return hmac.digest(self._secret, info + b"\1", self._hash)[:size]

    def data(self, data: bytes) -> bytes:
        """Return a record with bytes of the application."""
        return self.record(APPLICATION_DATA, data)

    def key_update(self, *, asks: bool = True) -> bytes:
        """Return a KeyUpdate record, with or without a request for the peer's update (section 4.6.3)."""
        return self.new_keys_after(self.record(HANDSHAKE, _KEY_UPDATE + bytes([asks])))

    def split_key_update(self) -> tuple[bytes, bytes]:
        """Return a key update in two records."""
        return self.record(HANDSHAKE, _KEY_UPDATE), self.new_keys_after(self.record(HANDSHAKE, b"\0"))

    def new_keys_after(self, record: bytes) -> bytes:
        """Seal with the next keys from now on; return the record."""
        self._secret = self._derive(b"traffic upd", len(self._secret))
        self._take_keys()
        return record

    def record(self, kind: int, content: bytes) -> bytes:
        """Return a record of any kind."""
        nonce = (self._iv ^ self._number).to_bytes(12)
        self._number += 1
        head = bytes([APPLICATION_DATA, 3, 3]) + (len(content) + 1 + 16).to_bytes(2)
        return head + self._aead.encrypt(nonce, content + bytes([kind]), head)


class Sender12:
    """Seals records of one side of a TLS 1.2 connection after the handshake (RFC 5246 section 6, RFC 5288)."""

    def __init__(self, key_log: Path, server_random: bytes, side: str = "CLIENT") -> None:
        """Take the last keys in the log; `side` is "CLIENT" or "SERVER"."""
        client_random, secret = map(bytes.fromhex, _logged(key_log, "CLIENT_RANDOM"))
        block = _expand(secret, b"key expansion" + server_random + client_random, 2 * (_KEY_BYTES + _SALT_BYTES))
        at = 0 if side == "CLIENT" else 1
        self._aead = AESGCM(block[at * _KEY_BYTES :][:_KEY_BYTES])
        self._salt = block[2 * _KEY_BYTES + at * _SALT_BYTES :][:_SALT_BYTES]
        self._number = 1  # Finished was 0

    def data(self, data: bytes) -> bytes:
        """Return a record with bytes of the application."""
        return self.record(APPLICATION_DATA, data)

    def record(self, kind: int, content: bytes) -> bytes:
        """Return a record of any kind."""
        number = self._number.to_bytes(8)
        self._number += 1
        authenticated = number + bytes([kind, 3, 3]) + len(content).to_bytes(2)
        sealed = number + self._aead.encrypt(self._salt + number, content, authenticated)
        return bytes([kind, 3, 3]) + len(sealed).to_bytes(2) + sealed


def _logged(key_log: Path, label: str) -> list[str]:
    """Return the text after a label in the last line that has it."""
    lines = [line.split() for line in key_log.read_text().splitlines()]
    return next(words[1:] for words in reversed(lines) if words[0] == label)


def _expand(secret: bytes, seed: bytes, size: int) -> bytes:
    """Return the pseudorandom function of TLS 1.2 (RFC 5246 section 5)."""
    chain, output = seed, b""
    while len(output) < size:
        chain = hmac.digest(secret, chain, "sha256")
        output += hmac.digest(secret, chain + seed, "sha256")
    return output[:size]
