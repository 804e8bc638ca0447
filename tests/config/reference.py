"""
The tables of docs/configuration.md, made of what the keys say of themselves.

``python -m tests.config.reference`` writes them into the page.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import attrs

from mailproxy.config import (
    Admin,
    Backend,
    BackendTimeouts,
    Bans,
    Check,
    Config,
    Frontend,
    FrontendLimits,
    FrontendLog,
    FrontendTimeouts,
    Limits,
    Log,
    Resolvers,
    Server,
    ServerTls,
    TlsProfile,
    UnixServer,
)
from mailproxy.config.bans import CrowdSecSettings
from mailproxy.config.check import CheckType
from mailproxy.config.condition import Condition
from mailproxy.config.condition_numbers import ServersUp, SessionsNow, SourceConnections, SourceRate
from mailproxy.config.custom_tlvs import FormattedTlv
from mailproxy.config.key import Key, keys_of
from mailproxy.config.rule import Rule, RuleTlv
from mailproxy.config.server import Template

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

TABLES: dict[str, attrs.AttrsInstance] = {
    "## Top level": Config(frontends=(), backends={}),
    "## `[log]`": Log(),
    "## `[admin]`": Admin(),
    "## `[limits]`": Limits(),
    "## `[bans]`": Bans(),
    "### `crowdsec`": CrowdSecSettings(),
    "## `[tls.NAME]`": TlsProfile(name="", certificates=()),
    "## `[frontend.NAME]`": Frontend(name="", bind=(), protocol="tcp", backend=""),
    "### `limits` of a frontend": FrontendLimits(),
    "### `log` of a frontend": FrontendLog(),
    "### `timeout` of a frontend": FrontendTimeouts(),
    "### `rule` of a frontend": Rule(),
    "### `if` of a rule": Condition(),
    "### `servers-up`": ServersUp(),
    "### `sessions`": SessionsNow(),
    "### `source-connections`": SourceConnections(),
    "### `source-rate`, `handshake-failures` and `auth-failures`": SourceRate(),
    "### `tlv` of a rule": RuleTlv(),
    "### `timeout` of a backend": BackendTimeouts(),
    "## `[backend.NAME]`": Backend(name="", servers=()),
    "### Formats": FormattedTlv(),
    "### `[backend.NAME.server.NAME]`": Server(name="", address=UnixServer("")),
    "### `template` of a server": Template(),
    "### `tls` of a server": ServerTls(),
    "### `check`": Check(type="mail"),
    "## `[resolvers]`": Resolvers(),
}
"""By the heading of the section that has the table: the values when no key is there."""


def shown(value: object, about: Key) -> str:
    """A default as the page has it."""
    if about.default or about.table is not None or value is None:
        return about.default or ("" if about.table is not None else "none")
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if about.kind is not None and not about.is_list:
        value = about.kind.write(value)
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`[]`" if value in ((), frozenset()) else f"`{value}`"


def types(about: Key) -> str:
    """The types of a table for which a key is, as the page has them."""
    others = [kind for kind in get_args(CheckType) if kind not in (*about.types, "none")]
    if not about.types or not others:
        return "all" if about.types else ""
    words = others if len(others) == 1 else about.types
    return ("all but " if len(others) == 1 else "") + ", ".join(f'`"{word}"`' for word in words)


def rows(usual: attrs.AttrsInstance) -> Iterator[tuple[str, ...]]:
    """The cells of a table, its head first."""
    is_typed = isinstance(usual, Check)
    yield "key", *(["for"] if is_typed else []), "values", "default", "in HAProxy", "meaning, and why the default"
    for name, field, about in keys_of(type(usual)):
        values = about.values or (about.kind.values if about.kind is not None else "")
        needed = "" if not about.is_needed else "; needed" if is_typed or "," in values else ", needed"
        default = "" if about.is_needed else shown(getattr(usual, field), about)
        use = (types(about) + needed, values) if is_typed else (values + needed,)
        yield f"`{name}`", *use, default, ", ".join(f"`{word}`" for word in about.haproxy), about.words


def table(usual: attrs.AttrsInstance) -> str:
    """A table of the page."""
    head, *body = rows(usual)
    lines = (head, ("---",) * len(head), *body)
    return "".join(
        "|" + "".join(f" {cell.strip()} |" if cell.strip() else " |" for cell in line) + "\n" for line in lines
    )


def section(heading: str, page: str) -> re.Match[str]:
    """The first table that the page has under a heading."""
    found = re.search(rf"^{re.escape(heading)}(?:(?!\n#).)*?^((?:\|[^\n]*\n)+)", page, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found


if __name__ == "__main__":
    text = PAGE.read_text()
    for heading, usual in TABLES.items():
        found = section(heading, text)
        text = text[: found.start(1)] + table(usual) + text[found.end(1) :]
    PAGE.write_text(text)
