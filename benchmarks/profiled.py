"""
``mailproxy`` with cProfile from one SIGPROF to the next: ``python -m benchmarks.profiled FILE run -c CONFIG``.

The second signal writes what was seen into FILE, in the form that `pstats` reads.
"""

from __future__ import annotations

import cProfile
import signal
import sys
from types import FrameType

from mailproxy import cli


def main() -> int:
    """Run the command; return its exit status."""
    file, *arguments = sys.argv[1:]
    profile = cProfile.Profile()
    is_on = False

    def switch(signal_number: int, frame: FrameType | None) -> None:
        nonlocal is_on
        is_on = not is_on
        if is_on:
            profile.enable()
        else:
            profile.dump_stats(file)

    signal.signal(signal.SIGPROF, switch)
    return cli.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
