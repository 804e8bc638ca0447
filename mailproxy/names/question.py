"""Questions to DNS, and their answers."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from attrs import frozen

RecordType = Literal["A", "AAAA", "SRV"]

# Letters, digits, hyphens and underscores: names go into further questions and the log, so nothing else is allowed.
_NAME = re.compile(r"(?=.{1,253}\Z)[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*")


def canonical(name: str) -> str:
    """Return a name in lower case, without a final dot, for comparisons; ValueError if it is invalid."""
    plain = name.removesuffix(".").lower()
    if _NAME.fullmatch(plain) is None:
        raise ValueError(f"{name!r} is no name that DNS can be asked for")
    return plain


@frozen
class Question:
    """A question: the records of one type for one name."""

    name: str
    """As `canonical` returns it."""
    type: RecordType

    def __str__(self) -> str:
        """Write it as the log shows it."""
        return f"{self.name} {self.type}"


@frozen
class Target:
    """One SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    name: str


Value = IPv4Address | IPv6Address | Target


@frozen
class Found:
    """An answer: the records' values in order, and the seconds for which they are valid."""

    values: tuple[Value, ...]
    ttl: float
    left_out: int = 0
    """The number of records beyond the limit."""


@frozen
class Denied:
    """An answer: there are no such records."""

    reason: str


@frozen
class Alias:
    """The records are under another name (CNAME), which is not in this answer."""

    name: str
    ttl: float


Answer = Found | Denied


class NoAnswerError(Exception):
    """
    The nameservers gave no usable answer: silence, SERVFAIL, malformed messages; `args[0]` is the reason, for the log.
    """


class MalformedError(NoAnswerError):
    """A message that cannot be read, and may not be an answer at all."""
