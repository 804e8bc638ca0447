"""Formats values for people: durations, amounts of bytes, and any text so that a terminal only shows it."""

from __future__ import annotations

from mailproxy.config.words import printable


def shown(value: object) -> str:
    """Format any value on one line, with control characters escaped; an absent value is a hyphen."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(shown, value))
        case dict():
            return shown([f"{name} {shown(one)}" for name, one in value.items()])
        case float():
            return f"{value:g}"
    return printable(str(value))


def duration(seconds: object) -> str:
    """Format seconds in their two greatest units."""
    if not isinstance(seconds, int | float):
        return "-"
    rest = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count or parts or unit == "s":
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def amount(bytes: float) -> str:
    """Format a number of bytes, with about three digits and a unit."""
    for unit in ("", "K", "M", "G"):
        if bytes < 1024:
            return f"{bytes:.0f}{unit}" if not unit or bytes >= 10 else f"{bytes:.1f}{unit}"
        bytes /= 1024
    return f"{bytes:.1f}T"
