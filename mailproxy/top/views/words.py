"""Numbers and times, as views show them."""

from __future__ import annotations

from mailproxy.control.format import amount, duration
from mailproxy.top.letters import Charset
from mailproxy.top.sample import Row, number


def rate(value: float | None) -> str:
    """Format a rate of events; a hyphen while it is not known."""
    if value is None:
        return "-"
    return f"{value:.1f}" if 0 < value < 100 else f"{value:.0f}"


def speed(value: float | None) -> str:
    """Format a rate of bytes."""
    return "-" if value is None else amount(value)


def since(row: Row, key: str) -> str:
    """Format how long ago something was; a hyphen: at the start, or never."""
    return duration(row.get(key))


def part(row: Row, now: str, most: str) -> str:
    """Format a number with its limit, if it has one."""
    return f"{number(row, now):g}" + (f"/{number(row, most):g}" if row.get(most) else "")


def bar(value: float, most: float, width: int, charset: Charset) -> str:
    """Draw a part of a whole."""
    full = round(width * min(max(value / most, 0.0), 1.0)) if most else 0
    return charset.full * full + charset.empty * (width - full)


def moment(time: object) -> str:
    """Return the time of the day of an event, in UTC, as the log has it."""
    return str(time)[11:19]
