"""A file that others change, read again when it has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")


class Reread(Generic[T]):
    """What a text file says (mutable): nothing if it is missing, what it said before if it cannot be read."""

    def __init__(self, path: str, parse: Callable[[str], T]) -> None:
        self._path = Path(path)
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value = parse("")

    def __call__(self) -> T:
        """Return what the file says now."""
        try:
            seen = self._look()
            if seen != self._seen:
                self._value = self._parse(self._path.read_text("ascii", "replace"))
                self._seen = seen
        except FileNotFoundError:
            self._value, self._seen = self._parse(""), None
        except OSError:
            pass
        return self._value

    def _look(self) -> tuple[int, int, int]:
        stat = os.stat(self._path)
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
