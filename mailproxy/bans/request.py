"""The request for a ban that a process sends to the main process, for a rule."""

from __future__ import annotations

from attrs import frozen


@frozen
class BanRequest:
    """Asks the main process to ban an address, or the network with `bits` of it, for a rule."""

    address: bytes
    seconds: float
    reason: str
    bits: int | None = None
