"""What is left to the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_new_garbage() -> Iterator[None]:
    """
    Let only `garbage` collect, and only what comes into being from now on.

    What was there stays frozen: modules and tests, which take a collection long, are none of its garbage later either.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def garbage() -> list[object]:
    """Return what only the collector can free and is ours: objects of mailproxy's classes, and its functions."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return [found for found in gc.garbage if _module_of(found).startswith("mailproxy")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def _module_of(found: object) -> str:
    named = found if isinstance(found, type(garbage)) else type(found)
    return str(getattr(named, "__module__", ""))
