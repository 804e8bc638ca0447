"""The TLS client on bytes in memory, so that bytes outside of its records remain visible."""

import ssl
from contextlib import suppress

from attrs import frozen

_RECORD_HEADER = 5
_RECORD_TYPES = frozenset(range(20, 25))
"""The types of TLS records: change cipher spec, alert, handshake, application data, heartbeat."""


@frozen
class Handshake:
    """The result of a handshake: success, a problem, or the server continued in plaintext."""

    problem: str = ""
    plaintext: bytes = b""

    @property
    def is_up(self) -> bool:
        """Whether TLS was agreed on."""
        return not self.problem and not self.plaintext


def begins_record(data: bytes) -> bool:
    """Return whether this may be the beginning of TLS: no line of a mail protocol begins so."""
    return data[0] in _RECORD_TYPES


def without_records(data: bytes) -> bytes:
    """Return the bytes after the TLS records at the beginning of `data`: plain text, if there are any."""
    while data and begins_record(data):
        data = data[_RECORD_HEADER + int.from_bytes(data[3:_RECORD_HEADER], "big") :]
    return data


def explained(error: ssl.SSLError) -> str:
    """Return why TLS failed, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()


class Tls:
    """The client's side of TLS (mutable)."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin a handshake, without sending it."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    def hello(self) -> bytes:
        """Return the ClientHello."""
        self.shake(b"")
        return self.to_send()

    def shake(self, data: bytes) -> bool:
        """Continue the handshake with the server's bytes; return whether it is done. Raises ssl.SSLError."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def to_send(self) -> bytes:
        """Return the records to send."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return data as records; none if the server has ended TLS."""
        with suppress(ssl.SSLError):
            self._tls.write(data)
        return self.to_send()

    def decrypt(self, records: bytes) -> tuple[bytes, bool]:
        """Return the records' plain text, and whether they end the connection."""
        self._incoming.write(records)
        plain = b""
        try:
            while piece := self._tls.read(65536):
                plain += piece
        except ssl.SSLWantReadError:
            return plain, False
        except ssl.SSLError:  # close_notify, an alert, or bytes that are not TLS
            return plain, True
        return plain, True
