"""CPU time and memory of a process and its descendants, as Linux's /proc has them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

_PROC = Path("/proc")

# Fields of /proc/PID/stat behind the name in parentheses, which may hold anything (proc(5): 14 and 15).
_UTIME = 11
_STIME = 12


@frozen
class CpuTime:
    """Seconds in user and in kernel mode."""

    user: float
    system: float

    def __sub__(self, earlier: CpuTime) -> CpuTime:
        return CpuTime(self.user - earlier.user, self.system - earlier.system)

    @property
    def total(self) -> float:
        return self.user + self.system


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and everything below it."""
    yield pid
    for children in _PROC.glob(f"{pid}/task/*/children"):
        for child in children.read_text().split():
            yield from descendants(int(child))


def cpu_time(pid: int) -> CpuTime:
    """Return what the living processes of a tree have used since they started."""
    user = system = 0
    for process in descendants(pid):
        fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
        user += int(fields[_UTIME])
        system += int(fields[_STIME])
    return CpuTime(user / _TICKS_PER_SECOND, system / _TICKS_PER_SECOND)


def memory(pid: int) -> int:
    """Return the bytes that a tree has in memory, shared pages counted by shares (PSS)."""
    return sum(_kibibytes(process, "smaps_rollup", "Pss") for process in descendants(pid)) * 1024


def peak_memory(pid: int) -> int:
    """Return the most bytes that the processes of a tree have had in memory since `forget_peak`, each for itself."""
    return sum(_kibibytes(process, "status", "VmHWM") for process in descendants(pid)) * 1024


def forget_peak(pid: int) -> None:
    """Reset `peak_memory` to the current memory."""
    for process in descendants(pid):
        (_PROC / str(process) / "clear_refs").write_text("5")


def _kibibytes(pid: int, file: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", (_PROC / str(pid) / file).read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
