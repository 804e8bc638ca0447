"""Python's garbage collector, in a process that serves."""

from __future__ import annotations

import gc


def quiet_collector() -> None:
    """
    Keep the garbage collector from objects that live as long as the process, and from connections, which make no
    cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
