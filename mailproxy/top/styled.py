"""Lines with styles: what is drawn, without a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from attrs import frozen

from mailproxy.top.letters import cut, width_of

Style = Literal["plain", "title", "heading", "good", "caution", "bad", "faint", "chosen"]
"""``good``, ``caution`` and ``bad`` are green, yellow and red; a word beside them says the same, without colours."""


@frozen
class Part:
    """Printable words in one style."""

    words: str
    style: Style = "plain"


Line = tuple[Part, ...]


def line(words: str, style: Style = "plain") -> Line:
    """Return a line in one style."""
    return (Part(words, style),)


def plain(parts: Line) -> str:
    """Return a line without its styles."""
    return "".join(part.words for part in parts).rstrip()


def fitted(parts: Iterable[Part], width: int, more: str) -> Line:
    """Return a line that takes at most `width` columns."""
    return tuple(_fitted(parts, width, more))


def _fitted(parts: Iterable[Part], width: int, more: str) -> Iterator[Part]:
    left = width
    for part in parts:
        taken = width_of(part.words)
        if taken > left:
            yield Part(cut(part.words, left, more), part.style)
            return
        left -= taken
        yield part
