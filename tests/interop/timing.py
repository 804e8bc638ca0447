"""How long something takes, and how long it may take on a machine that has much else to do."""

import time
from collections.abc import Callable

_TIMES = 20
_FACTOR = 5


def seconds_of(act: Callable[[], object]) -> float:
    """How long something takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def limit(seconds: float, act: Callable[[], object]) -> float:
    """
    How long `act` may take while a test makes it hard: `seconds`, and more on a machine that is slow already.

    It is done some times now, before the test makes it hard.
    """
    return seconds + _FACTOR * max(seconds_of(act) for _ in range(_TIMES))
