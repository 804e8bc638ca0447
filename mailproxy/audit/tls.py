"""The TLS client between two piles of bytes, so that what goes around its records stays in sight."""

import ssl
from contextlib import suppress

from attrs import frozen

_RECORD_HEADER = 5
_RECORD_TYPES = frozenset(range(20, 25))
"""Change cipher spec, alert, handshake, application data, heartbeat: what a TLS record can begin with."""


@frozen
class Handshake:
    """How a handshake went: it is up, or there was a problem, or the server went on in clear."""

    problem: str = ""
    plaintext: bytes = b""

    @property
    def is_up(self) -> bool:
        """Whether TLS was agreed on."""
        return not self.problem and not self.plaintext


def begins_record(data: bytes) -> bool:
    """Whether this may be the beginning of TLS: no line of a mail protocol looks so."""
    return data[0] in _RECORD_TYPES


def without_records(data: bytes) -> bytes:
    """Return what follows the TLS records at the beginning of `data`: plain text, if anything."""
    while data and begins_record(data):
        data = data[_RECORD_HEADER + int.from_bytes(data[3:_RECORD_HEADER], "big") :]
    return data


def explained(error: ssl.SSLError) -> str:
    """Return why TLS failed, in OpenSSL's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()


class Tls:
    """One client's end of TLS. Mutable: bytes go through it."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        """Begin a handshake that is not sent yet."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    def hello(self) -> bytes:
        """Return the ClientHello."""
        self.shake(b"")
        return self.to_send()

    def shake(self, data: bytes) -> bool:
        """Go on with the handshake, given the server's bytes; whether it is done. Raises ssl.SSLError."""
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def to_send(self) -> bytes:
        """Return the records that wait to be sent."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return data as records; none if the server has broken TLS off."""
        with suppress(ssl.SSLError):
            self._tls.write(data)
        return self.to_send()

    def decrypt(self, records: bytes) -> tuple[bytes, bool]:
        """Return what is in the records, and whether they end the conversation."""
        self._incoming.write(records)
        plain = b""
        try:
            while piece := self._tls.read(65536):
                plain += piece
        except ssl.SSLWantReadError:
            return plain, False
        except ssl.SSLError:  # close_notify, an alert, or what is no TLS
            return plain, True
        return plain, True
