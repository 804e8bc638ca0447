"""What can be counted of a client's address: connections, and the rates of what it does."""

from typing import Literal

from attrs import frozen

Counted = Literal["source-connections", "source-rate", "handshake-failures", "auth-failures"]
"""The configuration's words: connections at once, and per time: new ones, failed handshakes, refused logins."""

MAX_RATES = 5
"""The most rates of rules that differ from those of `[limits]`, and from each other, in what they count or the time."""


@frozen
class Measure:
    """
    One number that is kept for each source.

    All clients of one network count together; the lengths of its prefix are those for all sources (`[limits]`) unless
    they are given.
    """

    counted: Counted
    seconds: float = 0.0
    """The time in which events are counted; 0 for connections at once."""
    bits4: int | None = None
    """The length of the prefix of IPv4 networks; None: that of all sources."""
    bits6: int | None = None
    """The length of the prefix of IPv6 networks; None: that of all sources."""
