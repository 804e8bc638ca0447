"""
Decisions of CrowdSec, as its local API sends them: JSON with the lists ``new`` and ``deleted``; null is an empty list.

https://docs.crowdsec.net/docs/local_api/bouncers has the protocol; durations are those of Go's `time.ParseDuration`.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

from attrs import frozen

from mailproxy.bans.ban import Key, key_of, read_key
from mailproxy.bans.bans import LONGEST_SECONDS, MAX_BANS, clean_reason
from mailproxy.bans.rows import rows
from mailproxy.networks.width import is_too_wide

_SCOPES = ("ip", "range")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(h|ms|m|s|us|µs|ns)")
_DURATION = re.compile(rf"-?(?:{_PART.pattern})+")


class UnusableAnswer(ValueError):
    """The local API's answer is not a list of decisions; the message has the reason."""


@frozen
class Decision:
    """A ban of a network, for a time from now on."""

    key: Key
    seconds: float
    reason: str


@frozen
class Decisions:
    """The decisions of one answer."""

    new: tuple[Decision, ...]
    deleted: tuple[Key, ...]
    skipped: int
    """Those that are no bans of addresses: captchas, users, countries."""
    too_wide: tuple[Key, ...] = ()
    """New ones of networks that are too wide to ban."""


def read_decisions(data: bytes) -> Decisions:
    """
    Read an answer; raises `UnusableAnswer`. A decision that is wrong alone is skipped.

    Another thread gets its turn between two decisions.
    """
    new: dict[Key, Decision] = {}
    deleted: list[Key] = []
    too_wide: dict[Key, None] = {}
    skipped = 0
    try:
        for name, value in rows(data.decode(), ("new", "deleted")):
            decision = _decision(value) if name in ("new", "deleted") else None
            if decision is None:
                skipped += 1
            elif name == "deleted":
                deleted.append(decision.key)
            elif decision.seconds > 0 and is_too_wide(*decision.key):
                too_wide[decision.key] = None
                skipped += 1
            elif decision.seconds > 0:
                # Of several for one network, the longest counts.
                before = new.get(decision.key)
                if before is None or before.seconds < decision.seconds:
                    new[decision.key] = decision
            if len(new) + len(deleted) + skipped > 2 * MAX_BANS:
                raise UnusableAnswer(f"it has more than {2 * MAX_BANS} decisions")
    except UnusableAnswer:
        raise
    except ValueError as error:
        raise UnusableAnswer(f"it is not the JSON of the API: {error}") from None
    return Decisions(tuple(new.values()), tuple(deleted), skipped, tuple(too_wide))


def _decision(row: Any) -> Decision | None:
    """Return a decision; None if it is no ban of addresses."""
    try:
        if str(row["scope"]).lower() not in _SCOPES or str(row["type"]).lower() != "ban" or row.get("simulated"):
            return None
        value = row["value"]
        seconds = _seconds(row["duration"])
        if not isinstance(value, str) or "%" in value or seconds is None:
            return None
        key = key_of(ip_network(value, strict=False)) if "/" in value else read_key(value)
        return Decision(key, min(seconds, LONGEST_SECONDS), clean_reason(str(row.get("scenario", ""))))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _seconds(duration: Any) -> float | None:
    if not isinstance(duration, str) or not _DURATION.fullmatch(duration):
        return None
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(duration))
    return -seconds if duration.startswith("-") else seconds
