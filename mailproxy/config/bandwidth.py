"""Bandwidths: bytes per second, such as ``"1MiB/s"``."""

import re

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import quoted

_UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_BANDWIDTH = re.compile(r"([0-9]{1,9}) ?([A-Za-z]*)/s")

MIN_BANDWIDTH = 1024
MAX_BANDWIDTH = 100 * 1024**3

_NEEDS = 'bytes per second such as "1MiB/s"'


def _read(text: str) -> int:
    match = _BANDWIDTH.fullmatch(text)
    if match is None or match[2] not in _UNITS:
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}; units are {', '.join(_UNITS)}")
    value = int(match[1]) * _UNITS[match[2]]
    if not MIN_BANDWIDTH <= value <= MAX_BANDWIDTH:
        raise WrongValue(f'is {quoted(text)}; a bandwidth is from "1KiB/s" to "100GiB/s"')
    return value


def shown_bandwidth(value: int) -> str:
    """Write bytes per second in the largest unit in which they are a whole number."""
    for unit in ("GiB", "MiB", "KiB"):
        if not value % _UNITS[unit]:
            return f"{value // _UNITS[unit]}{unit}/s"
    return f"{value}B/s"


BANDWIDTH: Kind[int] = Kind(
    (str,), _NEEDS, _read, '`"1KiB/s"` to `"100GiB/s"`', {"pattern": "^[0-9]{1,9} ?[A-Za-z]+/s$"}, shown_bandwidth
)
