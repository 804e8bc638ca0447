"""What DNS is asked, and what comes of it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from attrs import frozen

RecordType = Literal["A", "AAAA", "SRV"]

# Letters, digits, hyphens and underscores: what is asked again for others, and shown in the log, has nothing else.
_NAME = re.compile(r"(?=.{1,253}\Z)[0-9A-Za-z_-]{1,63}(?:\.[0-9A-Za-z_-]{1,63})*")


def canonical(name: str) -> str:
    """Return a name as it is compared: in lower case, without the dot at the end; ValueError if it cannot be asked."""
    plain = name.removesuffix(".").lower()
    if _NAME.fullmatch(plain) is None:
        raise ValueError(f"{name!r} is no name that DNS can be asked for")
    return plain


@frozen
class Question:
    """What is asked: the records of one type of one name."""

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
    """An answer: the records' values in their order, and for how many seconds they hold."""

    values: tuple[Value, ...]
    ttl: float
    left_out: int = 0
    """How many records the answer had beyond the bound."""


@frozen
class Denied:
    """An answer too: there are no such records."""

    reason: str


@frozen
class Alias:
    """The records are under another name (CNAME), which this answer says nothing of."""

    name: str
    ttl: float


Answer = Found | Denied


class NoAnswerError(Exception):
    """The nameservers were of no use: silence, SERVFAIL, malformed messages; `args[0]` says what, for the log."""


class MalformedError(NoAnswerError):
    """A message that cannot be read, hence may be no answer at all."""
