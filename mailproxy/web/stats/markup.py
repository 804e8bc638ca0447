"""
HTML as text in which everything is escaped: elements are functions' results, other text never is markup.

What is not printable in a text is escaped as it is in the log and in tables: a browser obeys bidi overrides, and who
copies a text into a terminal copies its control characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from mailproxy.config.words import printable

_VOID = frozenset({"input", "link", "meta"})


THIN_SPACE = "\u202f"
"""The one that we write between thousands."""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """
    Write an element. In names of attributes, underscores are hyphens, and one at the end is left out.

    Text is escaped. An attribute with None or False is left out, one with True has no value.
    """
    start = opening(name, **attributes)
    return start if name in _VOID else Markup(f"{start}{together(children)}</{name}>")


def opening(name: str, /, **attributes: str | int | bool | None) -> Markup:
    """Write the start of an element whose content follows in pieces."""
    return Markup(f"<{name}{''.join(map(_attribute, attributes.items()))}>")


def together(children: Child) -> Markup:
    """Write several children, escaped where they are text."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(_escaped(children))
    if isinstance(children, int | float):
        return Markup(children)
    return Markup("".join(map(together, children)))


def _attribute(item: tuple[str, str | int | bool | None]) -> str:
    name, value = item
    if value is None or value is False:
        return ""
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    return escape(text if text.isprintable() else THIN_SPACE.join(map(printable, text.split(THIN_SPACE))))
