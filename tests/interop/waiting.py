"""Waiting for a condition with a deadline, the only kind of waiting these tests do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE = 0.01  # seconds between two looks


def until(condition: Callable[[], T | None], what: str, seconds: float = 5.0, pause: float = _PAUSE) -> T:
    """The first true value of a condition; AssertionError, naming what was waited for, after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)
