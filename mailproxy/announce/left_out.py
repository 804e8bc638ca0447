"""A TLV that a header for a backend should have had and has not, with the reason."""

from __future__ import annotations

from attrs import frozen

from mailproxy.proxyprotocol import Tlv


@frozen
class LeftOut:
    """One TLV that is left out; as text, it is the words of the log: ``SSL_CN (303 bytes): header limit 232``."""

    name: str
    """The name of the TLV, or of the field of the SSL TLV; a received one is ``SSL that came in``."""
    reason: str
    size: int | None = None
    """The bytes that it would have, if that is the reason."""
    has_no_room: bool = False
    """True if the size limit of the whole header is the reason."""

    @classmethod
    def without_room(cls, tlv: Tlv, limit: int) -> LeftOut:
        """Make it for a TLV that does not fit into a header of at most `limit` bytes."""
        return cls(tlv.name, f"header limit {limit}", tlv.size, has_no_room=True)

    def __str__(self) -> str:
        """Write it for the log."""
        size = "" if self.size is None else f" ({self.size} bytes)"
        return f"{self.name}{size}: {self.reason}"
