"""Text in columns of a terminal: its width, cut or wrapped, in the letters that the terminal can show."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from unicodedata import category, east_asian_width

from attrs import frozen

from mailproxy.config.words import printable

_LONGEST = 2000
"""The most letters of one value that are looked at; a line is much shorter, but some letters have no width."""


@frozen
class Charset:
    """What the terminal can show, and the letters for what is drawn."""

    encoding: str
    more: str
    """Stands for what is cut off."""
    dot: str
    """Separates facts."""
    full: str
    empty: str
    """These two draw a bar."""

    def clean(self, words: object) -> str:
        """Return words with escapes for what would move the cursor, and for letters that the terminal does not have."""
        safe = printable(str(words)[:_LONGEST])
        return safe if safe.isascii() else safe.encode(self.encoding, "backslashreplace").decode(self.encoding)


UNICODE = Charset("utf-8", more="…", dot=" · ", full="█", empty="░")
ASCII = Charset("ascii", more="~", dot="  ", full="#", empty=".")


def charset_of(encoding: str) -> Charset:
    """Return the charset for the encoding of a terminal or a file."""
    return UNICODE if encoding.lower().replace("-", "").replace("_", "") == "utf8" else ASCII


@lru_cache(maxsize=4096)
def _columns(letter: str) -> int:
    if category(letter) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(letter) in ("W", "F") else 1


def width_of(words: str) -> int:
    """Return the columns that printable words take."""
    return len(words) if words.isascii() else sum(map(_columns, words))


def cut(words: str, width: int, more: str) -> str:
    """Return words that take at most `width` columns; what is cut off is marked by `more`, which takes one."""
    if width_of(words) <= width:
        return words
    return _head(words, width - 1) + more if width > 0 else ""


def _head(words: str, width: int) -> str:
    taken = 0
    for place, letter in enumerate(words):
        taken += _columns(letter)
        if taken > width:
            return words[:place]
    return words


def padded(words: str, width: int, *, is_right: bool = False) -> str:
    """Return words with spaces, so that they take at least `width` columns."""
    space = " " * (width - width_of(words))
    return space + words if is_right else words + space


def wrapped(words: str, width: int) -> Iterator[str]:
    """Yield lines of at most `width` columns, broken at spaces where there are some."""
    rest = words
    while width_of(rest) > width:
        head = _head(rest, width) or rest[:1]
        space = head.rfind(" ")
        if space > width // 2 and rest[len(head)] != " ":
            head = head[:space]
        yield head
        rest = rest[len(head) :].lstrip(" ")
    yield rest
