"""
Gates: what refuses clients by their addresses alone.

They are asked before a client has a session; where a PROXY header names the client, after that header.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen

GATE_WORDS = ("banned", "source-connections", "source-rate", "source-handshake-failures")
"""The words of the gates; those of limits are their keys in the configuration."""


@frozen
class Rejection:
    """Why a gate does not let a client in."""

    word: str
    """One of `GATE_WORDS`: rejections are counted, and added up in the log, by it."""
    reason: str
    """The reason in words, for the log."""


class Gate(Protocol):
    """One kind of refusal by address."""

    @property
    def is_idle(self) -> bool:
        """True while it lets everybody in and counts nobody: then it need not be asked."""

    def judge(self, source: bytes) -> Rejection | None:
        """
        Return why a client with this address may not come in, or None; a gate may count the client.

        IPv4 has 4 bytes, IPv6 has 16.
        """
