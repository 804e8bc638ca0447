"""Gaps in memory that are filled before a fork: each case in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest


def run(program: str) -> str:
    """What a program prints, which has 10,000 objects of 64 bytes with a gap behind each."""
    beginning = """
        import ctypes, sys
        from mailproxy.process.gaps import fill_gaps

        SIZE = 64
        kept = [bytes(SIZE - bytes().__sizeof__()) for _ in range(20_000)]
        del kept[::2]

        def pages(objects):
            return {id(one) >> 12 for one in objects}

        def some():
            return [bytes(SIZE - bytes().__sizeof__()) for _ in range(1000)]
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(beginning) + dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_new_objects_are_not_on_pages_of_old_ones() -> None:
    without = "print(len(pages(some()) & pages(kept)))"
    assert int(run(without)) > 10
    filled = "fillers = fill_gaps()\n" + without
    # What the interpreter frees behind the last filler leaves room on its own page.
    assert int(run(filled)) <= 2


def test_c_library_has_no_gaps_left() -> None:
    found = run(
        """
        library = ctypes.CDLL(None)
        if not hasattr(library, "mallinfo2"):
            print("none")
            sys.exit()
        library.malloc.restype = ctypes.c_void_p
        library.free.argtypes = [ctypes.c_void_p]
        blocks = [library.malloc(3000) for _ in range(2000)]
        for block in blocks[::2]:
            library.free(block)
        fillers = fill_gaps()
        inner = {block for block in (library.malloc(2500) for _ in range(100)) if block < max(blocks)}
        print(len(inner))
        """
    )
    if found == "none":
        pytest.skip("needs the GNU C library")
    assert found == "0"


def test_another_allocator_of_python_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    count = int(run("print(sum(isinstance(filler, bytes) for filler in fill_gaps()))"))
    assert count == 0


def test_fillers_take_a_bounded_amount_of_memory() -> None:
    found = run(
        """
        kept += [bytes(SIZE - bytes().__sizeof__()) for _ in range(400_000)]
        del kept[::2]
        print(sum(filler.__sizeof__() == SIZE for filler in fill_gaps()) * SIZE)
        """
    )
    assert 900_000 < int(found) <= 1024 * 1024
