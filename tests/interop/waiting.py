"""Waiting for a condition with a deadline, the only kind of waiting these tests do."""

import select
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long the tests wait for what must happen: on a machine that has much else to do, it takes long."""

SLACK_SECONDS = 8.0
"""
How late a deadline may be kept on a machine that has much else to do.

Where a deadline is tested, what happens without it takes longer than the deadline and this.
"""

_PAUSE = 0.01  # seconds between two looks


def until(condition: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS, pause: float = _PAUSE) -> T:
    """The first true value of a condition; AssertionError, naming what was waited for, after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(pause)


def is_ready(connection: socket.socket, seconds: float, *, to_write: bool = False) -> bool:
    """Return whether there are bytes to read, or if asked room to write, within `seconds`."""
    # Not `select`, which knows no descriptors from 1024 on: the reserved ports alone may be as many.
    poll = select.poll()
    poll.register(connection, select.POLLIN | (select.POLLOUT if to_write else 0))
    return bool(poll.poll(seconds * 1000))
