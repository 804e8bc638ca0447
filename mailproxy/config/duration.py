"""Durations: whole numbers with a unit, as in HAProxy; their values are seconds."""

import re

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import quoted

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_DURATION = re.compile(r"([0-9]{1,12}) ?([A-Za-z]*)")


def seconds(text: str) -> float:
    """Read a duration such as ``"500ms"`` or ``"35m"``; raises `WrongValue`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise WrongValue(f'is {quoted(text)}, needs a whole number with a unit such as "500ms", "30s" or "35m"')
    amount, unit = match.groups()
    if not unit:
        raise WrongValue(f"is {quoted(text)} without a unit; is it {quoted(amount + 's')} or {quoted(amount + 'ms')}?")
    if unit not in UNITS:
        raise WrongValue(f"is {quoted(text)}, whose unit is unknown; units are {', '.join(UNITS)}")
    return float(amount) * UNITS[unit]


def shown_seconds(value: float) -> str:
    """Write seconds as a duration in the largest unit that leaves a whole number: 2100 as ``35m``."""
    amounts = ((round(value / size, 6), unit) for unit, size in reversed(UNITS.items()))
    return next((f"{amount:.0f}{unit}" for amount, unit in amounts if value and amount == int(amount)), f"{value:g}s")


def written(seconds: float) -> str:
    """Write a duration in the largest unit in which it is a whole number, from hours down."""
    for unit in ("h", "m", "s"):
        if seconds and not seconds % UNITS[unit]:
            return f"{seconds / UNITS[unit]:.0f}{unit}"
    return f"{seconds / UNITS['ms']:.0f}ms" if seconds else "0s"


def duration(at_most: str, *, may_be_zero: bool = False) -> Kind[float]:
    """
    Make the kind of durations from 1 ms to `at_most`.

    Zero is allowed only where it means "not at all". Other programs use 0 for "forever"; here every wait has a
    deadline.
    """
    most = seconds(at_most)

    def read(text: str) -> float:
        value = seconds(text)
        if value == 0 and not may_be_zero:
            raise WrongValue(f'is {quoted(text)}; every wait needs a deadline, at least "1ms" and at most "{at_most}"')
        if value > most:
            raise WrongValue(f'is {quoted(text)}, which is {value:.0f} s; the most is "{at_most}", {most:.0f} s')
        return value

    needs = f'a string with a unit ({", ".join(UNITS)}) such as "30s"'
    least = "0s" if may_be_zero else "1ms"
    schema = {"pattern": f"^[0-9]{{1,12}} ?({'|'.join(UNITS)})$"}
    return Kind((str,), needs, read, f'`"{least}"` to `"{at_most}"`', schema, written)


WAIT = duration(at_most="1h")
"""For the wait for a peer's answer: a longer one would not be a deadline."""

IDLE = duration(at_most="24d")
"""For an idle session; the maximum is HAProxy's, whose timers have 31 bits of milliseconds."""

LOOKS = duration(at_most="1d", may_be_zero=True)
"""For intervals; zero means never."""

RAMP = duration(at_most="1d", may_be_zero=True)
"""For a gradual change; zero means at once."""
