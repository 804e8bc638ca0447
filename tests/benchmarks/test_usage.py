"""CPU time and memory of processes that are known: this one, and a child of it."""

import os
import subprocess
import sys
import time

from benchmarks import usage

MEBIBYTE = 1024 * 1024


def test_cpu_time_of_a_busy_process_grows() -> None:
    before = usage.cpu_time(os.getpid())
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert (usage.cpu_time(os.getpid()) - before).total >= 0.03


def test_children_are_counted() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in set(usage.descendants(os.getpid()))


def test_memory_in_use_is_counted() -> None:
    before = usage.memory(os.getpid())
    block = b"x" * (32 * MEBIBYTE)
    assert 30 * MEBIBYTE < usage.memory(os.getpid()) - before < 40 * MEBIBYTE
    del block


def test_peak_is_remembered_until_forgotten() -> None:
    usage.forget_peak(os.getpid())
    before = usage.peak_memory(os.getpid())
    block = b"x" * (32 * MEBIBYTE)
    del block
    peak = usage.peak_memory(os.getpid())
    assert peak - before > 30 * MEBIBYTE
    usage.forget_peak(os.getpid())
    assert usage.peak_memory(os.getpid()) < peak - 20 * MEBIBYTE
