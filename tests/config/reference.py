"""
The rows of docs/configuration.md for tables whose keys describe themselves.

``python -m tests.config.reference`` writes them into the page.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import attrs

from mailproxy.config import (
    Backend,
    BackendTimeouts,
    Check,
    Config,
    Frontend,
    FrontendTimeouts,
    Log,
    Resolvers,
    Server,
    ServerTls,
    TlsProfile,
    UnixServer,
)
from mailproxy.config.check import CheckType
from mailproxy.config.duration import UNITS
from mailproxy.config.key import Key, keys_of

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

TABLES: dict[str, attrs.AttrsInstance] = {
    "## Top level": Config(frontends=(), backends={}),
    "## `[log]`": Log(),
    "## `[tls.NAME]`": TlsProfile(name="", certificates=()),
    "## `[frontend.NAME]`": Frontend(name="", bind=(), protocol="tcp", backend=""),
    "### `timeout` of a frontend": FrontendTimeouts(),
    "### `timeout` of a backend": BackendTimeouts(),
    "## `[backend.NAME]`": Backend(name="", servers=()),
    "### `[backend.NAME.server.NAME]`": Server(name="", address=UnixServer("")),
    "### `tls` of a server": ServerTls(),
    "### `check`": Check(type="mail"),
    "## `[resolvers]`": Resolvers(),
}
"""By the heading of the section that has the table: the values when no key is there."""


def shown(value: object, about: Key) -> str:
    """A default as the page has it."""
    if about.default or value is None:
        return about.default or "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        if not value:
            return '`"0s"`'
        amount, unit = next((value / size, unit) for unit, size in _UNITS if value / size == int(value / size))
        return f'`"{amount:.0f}{unit}"`'
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`[]`" if value in ((), frozenset()) else f"`{value}`"


_UNITS = [(unit, UNITS[unit]) for unit in ("h", "m", "s", "ms")]


def types(about: Key) -> str:
    """The types of a table for which a key is, as the page has them."""
    others = [kind for kind in get_args(CheckType) if kind not in (*about.types, "none")]
    if not about.types or not others:
        return "all" if about.types else ""
    words = others if len(others) == 1 else about.types
    return ("all but " if len(others) == 1 else "") + ", ".join(f'`"{word}"`' for word in words)


def rows(usual: attrs.AttrsInstance) -> Iterator[str]:
    """The rows of a table."""
    for name, field, about in keys_of(type(usual)):
        values = about.values or about.kind.values
        if isinstance(usual, Check):
            needed = "; needed" if about.is_needed else ""
            default = "" if about.is_needed else f" {shown(getattr(usual, field), about)}"
            cells = f"{types(about)}{needed}", values, default.strip(), about.words
            yield f"| `{name}` " + "".join(f"| {cell} " if cell else "| " for cell in cells) + "|"
        elif about.is_needed:
            needed = "; needed" if "," in values else ", needed"
            yield f"| `{name}` | {values}{needed} | | {about.words} |"
        else:
            yield f"| `{name}` | {values} | {shown(getattr(usual, field), about)} | {about.words} |"


def renewed(page: str, usual: attrs.AttrsInstance) -> Iterator[str]:
    """The rows of the page, those of keys that describe themselves in the keys' words."""
    described = {row.split(" ", 2)[1]: f"{row}\n" for row in rows(usual)}
    for line in page.splitlines(keepends=True):
        yield described.pop(line.split(" ", 2)[1], line)
    yield from described.values()


def section(heading: str, page: str) -> re.Match[str]:
    """The rows that the page has under a heading."""
    found = re.search(
        rf"^{re.escape(heading)}(?:(?!\n#).)*?^\| --- [^\n]*\n((?:\|[^\n]*\n)+)", page, re.MULTILINE | re.DOTALL
    )
    assert found, heading
    return found


if __name__ == "__main__":
    text = PAGE.read_text()
    for heading, usual in TABLES.items():
        found = section(heading, text)
        text = text[: found.start(1)] + "".join(renewed(found[1], usual)) + text[found.end(1) :]
    PAGE.write_text(text)
