"""
Decisions of CrowdSec, as its local API sends them: JSON with the lists ``new`` and ``deleted``; null is an empty list.

https://docs.crowdsec.net/docs/local_api/bouncers has the protocol; durations are those of Go's `time.ParseDuration`.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

from attrs import frozen

from mailproxy.bans.ban import Key, key_of, place_of, read_key
from mailproxy.bans.bans import LONGEST_SECONDS, MAX_BANS, clean_reason
from mailproxy.bans.rows import LONGEST_VALUE, TOO_LONG, rows
from mailproxy.config.words import quoted
from mailproxy.networks.width import is_too_wide, width_problem

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
    others: int
    """The number of those that are no bans of addresses: captchas, users, countries."""
    skipped: int = 0
    """The number of those that cannot be read, and of new ones of networks that are too wide to ban."""
    problem: str = ""
    """Why the first of them is skipped."""


def read_decisions(data: bytes) -> Decisions:
    """
    Read an answer; raises `UnusableAnswer`. A decision that is wrong alone is skipped.

    Another thread gets its turn between two decisions.
    """
    new: dict[Key, Decision] = {}
    deleted: list[Key] = []
    others = skipped = 0
    problem = ""
    try:
        for name, value in rows(data.decode(), ("new", "deleted")):
            decision = _decision(value, is_new=name == "new") if name in ("new", "deleted") else None
            if isinstance(decision, str):
                skipped += 1
                problem = problem or decision
            elif decision is None:
                others += 1
            elif name == "deleted":
                deleted.append(decision.key)
            elif decision.seconds > 0:
                # Of several for one network, the longest counts.
                before = new.get(decision.key)
                if before is None or before.seconds < decision.seconds:
                    new[decision.key] = decision
            if len(new) + len(deleted) + others + skipped > 2 * MAX_BANS:
                raise UnusableAnswer(f"it has more than {2 * MAX_BANS} decisions")
    except UnusableAnswer:
        raise
    except ValueError as error:
        raise UnusableAnswer(f"it is not the JSON of the API: {error}") from None
    return Decisions(tuple(new.values()), tuple(deleted), others, skipped, problem)


def _decision(row: Any, *, is_new: bool) -> Decision | str | None:
    """Return a decision, in words why it is skipped, or None if it is no ban of addresses."""
    if problem := _problem(row):
        return f"a decision is skipped: {problem}"
    if row["scope"].lower() not in _SCOPES or row["type"].lower() != "ban" or row.get("simulated"):
        return None
    value, duration = row.get("value"), row.get("duration")
    key, seconds = _key(value), _seconds(duration)
    if key is None:
        return f"a decision is skipped: its value is {_shown(value)}, needs an address or a network, without a zone"
    if seconds is None:
        return f'{_skipped(key)}: its duration is {_shown(duration)}, needs one like "4h5m6s"'
    if is_new and seconds > 0 and is_too_wide(*key):
        return f"{_skipped(key)}, {width_problem(len(key[0]))}"
    return Decision(key, min(seconds, LONGEST_SECONDS), clean_reason(str(row.get("scenario", ""))))


def _skipped(key: Key) -> str:
    return f"the decision about {place_of(key)} is skipped"


def _problem(row: Any) -> str:
    """Return in words why something is not a decision; empty if it may be one."""
    if row is TOO_LONG:
        return f"it has more than {LONGEST_VALUE} characters"
    if not isinstance(row, dict):
        return "it is not an object"
    has_both = isinstance(row.get("scope"), str) and isinstance(row.get("type"), str)
    return "" if has_both else "it has no scope or no type"


def _key(value: Any) -> Key | None:
    if not isinstance(value, str) or "%" in value:
        return None
    try:
        return key_of(ip_network(value, strict=False)) if "/" in value else read_key(value)
    except ValueError:
        return None


def _shown(value: Any) -> str:
    match value:
        case str():
            return quoted(value)
        case None:
            return "missing"
    return f"not a text, {quoted(str(value))}"


def _seconds(duration: Any) -> float | None:
    if not isinstance(duration, str) or not _DURATION.fullmatch(duration):
        return None
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(duration))
    return -seconds if duration.startswith("-") else seconds
