"""
How each process is: its CPU time, memory and descriptors, how late its event loop is, and the lines that its log drops.

Each process measures itself, and writes the numbers to its own page, where the main process reads those of all. A
process that changed its user may not be looked at by others.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from contextlib import suppress

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailproxy.counting.layout import Layout
from mailproxy.counting.page import Numbers

TICK_SECONDS = 0.25
"""The time between two looks at the loop: a tenth of a second's halt is seen in two of five cases."""

TICKS_PER_LOOK = 20
"""The ticks between two looks at what changes slowly."""

_UNITS_PER_SECOND = 1_000_000

PROCESS = Layout()
"""What a process counts of itself; the numbers of an ended worker stay in the sum."""

CPU = PROCESS.number("cpu")
"""CPU time in microseconds."""
LINES_DROPPED = PROCESS.number("lines_dropped")
"""Lines that the log dropped, as its target was blocked."""
LAG = PROCESS.histogram("lag", (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0))
"""How late timers of the event loop are."""

STATE = Layout()
"""How a process is now."""

DESCRIPTORS = STATE.number("descriptors")
MAX_DESCRIPTORS = STATE.number("most_descriptors")
MEMORY = STATE.number("memory")
"""Resident memory in bytes."""
LONGEST_LAG = STATE.number("longest_lag")
"""The longest lag of the last 5 to 10 seconds, in microseconds."""
STARTED = STATE.number("started")
"""The start of the process, in microseconds since 1970."""


class Vitals:
    """Measures this process again and again, from `start` to `stop`."""

    def __init__(self, counted: Numbers, state: Numbers, lines_dropped: Callable[[], int], clock: IReactorTime) -> None:
        """`counted` has the numbers of `PROCESS`, and `state` those of `STATE`; `lines_dropped` is asked for a sum."""
        self._counted = counted
        self._state = state
        self._lines_dropped = lines_dropped
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self._ticks = 0
        self._longest = self._longest_before = 0
        self._cpu = 0
        self._dropped = 0

    def start(self) -> None:
        """Begin to measure."""
        self._state[STARTED] = int(time.time() * _UNITS_PER_SECOND)
        self._measure_process()
        self._wait()

    def stop(self) -> None:
        """Measure no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _wait(self) -> None:
        self._due = self._clock.seconds() + TICK_SECONDS
        self._call = self._clock.callLater(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        lag = max(self._clock.seconds() - self._due, 0.0)
        LAG.count(self._counted, lag)
        units = int(lag * _UNITS_PER_SECOND)
        if units > self._longest:
            self._longest = units
            self._state[LONGEST_LAG] = max(units, self._longest_before)
        self._ticks += 1
        if self._ticks == TICKS_PER_LOOK:
            self._ticks = 0
            self._measure_process()
        self._wait()

    def _measure_process(self) -> None:
        counted, state = self._counted, self._state
        cpu, dropped = int(time.process_time() * _UNITS_PER_SECOND), self._lines_dropped()
        counted[CPU] += cpu - self._cpu
        counted[LINES_DROPPED] += dropped - self._dropped
        self._cpu, self._dropped = cpu, dropped
        self._longest, self._longest_before = 0, self._longest
        state[LONGEST_LAG] = self._longest_before
        state[MAX_DESCRIPTORS] = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2**62)
        with suppress(OSError):  # /proc may be closed, or another one
            state[DESCRIPTORS] = open_descriptors()
            state[MEMORY] = resident_memory()


def open_descriptors() -> int:
    """Return the number of open descriptors of this process; before Linux 6.2, a few more may be open."""
    counted = os.stat("/proc/self/fd").st_size
    if counted:
        return counted
    # A list of 20,000 takes more than 20 ms. The kernel gives out the lowest number that is free.
    free = os.open("/proc/self", os.O_PATH | os.O_CLOEXEC)
    os.close(free)
    return free


def resident_memory() -> int:
    """Return the bytes of this process that are in memory, those that it shares with others included."""
    with open("/proc/self/statm", "rb", buffering=0) as file:
        return int(file.read().split()[1]) * resource.getpagesize()
