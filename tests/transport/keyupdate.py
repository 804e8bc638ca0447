"""Records that a client of Python's cannot make: KeyUpdate and what follows it (RFC 8446 sections 4.6.3, 5.2, 7.2)."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

HANDSHAKE, APPLICATION_DATA = 22, 23
_KEY_UPDATE_REQUESTED = b"\x18\0\0\1\1"


class Sender:
    """Encrypts what a client says, from its traffic secret on; for TLS_AES_128_GCM_SHA256."""

    def __init__(self, key_log: Path) -> None:
        lines = key_log.read_text().splitlines()
        self._secret = next(bytes.fromhex(line.split()[2]) for line in lines if "CLIENT_TRAFFIC_SECRET_0" in line)
        self._number = 0

    def data(self, data: bytes) -> bytes:
        """Return a record with bytes of the application."""
        return self._record(data, APPLICATION_DATA)

    def key_update(self) -> bytes:
        """Return a record that announces new keys and asks for the other side's."""
        record = self._record(_KEY_UPDATE_REQUESTED, HANDSHAKE)
        self._secret = self._derive(b"traffic upd", 32)
        self._number = 0
        return record

    def _record(self, content: bytes, kind: int) -> bytes:
        nonce = int.from_bytes(self._derive(b"iv", 12)) ^ self._number
        self._number += 1
        head = bytes([APPLICATION_DATA, 3, 3]) + (len(content) + 1 + 16).to_bytes(2)
        sealed = AESGCM(self._derive(b"key", 16)).encrypt(nonce.to_bytes(12), content + bytes([kind]), head)
        return head + sealed

    def _derive(self, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = size.to_bytes(2) + bytes([len(label)]) + label + b"\0"
        return HKDFExpand(SHA256(), size, info).derive(self._secret)
