"""Every key is in the example and in the documentation, with the default that the model has."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from mailproxy.balance.health import InitState, OnError
from mailproxy.balance.pool_server import ServerState
from mailproxy.balance.rule import RULES
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
    remarks,
)
from mailproxy.config.check import CheckType
from mailproxy.config.document import read_document
from mailproxy.config.http import Method
from mailproxy.config.model import (
    CheckHeader,
    Observe,
    OnMarkedDown,
    OnMarkedUp,
    ResolvePrefer,
    SendProxy,
    Verify,
)
from mailproxy.mail.protocols import protocol_words
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol.options import OPTIONS

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "etc" / "mailproxy.toml").read_text()
PAGE = (ROOT / "docs" / "configuration.md").read_text()

KEYS = {
    "backends": "backend",
    "frontends": "frontend",
    "servers": "server",
    "tlvs": "proxy-v2-tlvs",
    "pass_tlvs": "proxy-v2-pass-tlvs",
    "count": "template",
    "backend.NAME.check.header": "check-header",
    "backend.NAME.check.tls": "check-tls",
}
"""The fields that are not simply called as their keys, everywhere or in one table."""

NO_KEYS = {"name", "files", "has_first_look"}

TABLES = {
    "": Config,
    "log.": Log,
    "tls.NAME.": TlsProfile,
    "frontend.NAME.": Frontend,
    "frontend.NAME.timeout.": FrontendTimeouts,
    "backend.NAME.": Backend,
    "backend.NAME.timeout.": BackendTimeouts,
    "backend.NAME.check.": Check,
    "backend.NAME.server.NAME.": Server,
    "backend.NAME.server.NAME.tls.": ServerTls,
    "resolvers.": Resolvers,
}


def keys_of_the_model() -> Iterator[str]:
    for table, model in TABLES.items():
        for field in attrs.fields(model):
            if field.name not in NO_KEYS:
                key = field.name.replace("_", "-")
                yield table + KEYS.get(table + field.name, KEYS.get(field.name, key))
    yield from ("backend.NAME.check", "backend.NAME.default-server")


def keys_of(values: Mapping[str, Any], table: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield table + key
        if isinstance(value, dict):
            named = table + key in ("tls", "frontend", "backend", "backend.NAME.server")
            for below in value.values() if named else [value]:
                yield from keys_of(below, f"{table}{key}." + ("NAME." if named else ""))


EXAMPLE_KEYS = set(keys_of(tomllib.loads(EXAMPLE)))
SAME_KEYS = {
    "backend.NAME.check.": "backend.NAME.server.NAME.check.",
    "backend.NAME.server.NAME.": "backend.NAME.default-server.",
}
"""Tables that have the same keys."""


def is_in_the_example(key: str) -> bool:
    table, dot, last = key.rpartition(".")
    return bool({key, SAME_KEYS.get(table + dot, "") + last} & EXAMPLE_KEYS)


def test_every_key_is_in_the_example() -> None:
    assert [key for key in keys_of_the_model() if not is_in_the_example(key)] == []


HEADINGS = {
    "": "## Top level\n",
    "frontend.NAME.timeout.": "### `timeout` of a frontend\n",
    "backend.NAME.timeout.": "### `timeout` of a backend\n",
    "backend.NAME.check.": "### `check`: health checks\n",
    "backend.NAME.server.NAME.tls.": "### `tls` of a server\n",
}
SECTIONS = ("log", "tls", "frontend", "backend", "resolvers")


def is_in_the_documentation(key: str) -> bool:
    table, dot, last = key.rpartition(".")
    _, _, section = PAGE.partition(HEADINGS.get(table + dot, f"# `[{table}]`"))
    return f"\n| `{last}` |" in section


def test_every_key_is_in_the_documentation() -> None:
    keys = [key for key in keys_of_the_model() if key not in SECTIONS]
    assert [key for key in keys if not is_in_the_documentation(key)] == []


def test_every_table_is_in_the_documentation() -> None:
    tables = re.findall(r"^## `\[([a-z]+)(?:\.NAME)?\]`", PAGE, re.MULTILINE)
    assert [name for name in SECTIONS if name not in tables] == []


WORDS = (
    SendProxy,
    CheckType,
    CheckHeader,
    InitState,
    Observe,
    OnError,
    OnMarkedDown,
    OnMarkedUp,
    ResolvePrefer,
    ServerState,
    Verify,
    Method,
)


def test_every_word_is_in_the_documentation_and_the_example() -> None:
    words = [*protocol_words(), *PROFILES, *RULES, *(word for kind in WORDS for word in get_args(kind))]
    assert [word for word in words if f'`"{word}"`' not in PAGE] == []
    assert [word for word in words if f'"{word}"' not in EXAMPLE] == []


def test_every_option_is_in_the_documentation() -> None:
    assert [option for option in OPTIONS if f"| `{option}` |" not in PAGE] == []


BACKENDS = (ROOT / "docs" / "backends.md").read_text()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", BACKENDS, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.splitlines()[0] for example in EXAMPLES])
def test_example_for_a_backend_is_good(example: str) -> None:
    values = tomllib.loads(example)
    (name,) = values["backend"]
    servers = {"server": {"d1": {"address": "10.0.0.1"}}, "ports": {"imap": 143}}
    frontend = {"bind": ["127.0.0.1:0"], "protocol": "imap", "tls": "none", "backend": name}
    backend = servers | values["backend"][name]
    protocol = next(iter(backend["ports"]))
    config = read_document(
        {"backend": {name: backend}, "frontend": {"f": frontend | {"protocol": protocol}}}, "/etc/mailproxy"
    )
    assert remarks(config) == ()


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"generic"}))
def test_every_profile_has_an_example(profile: str) -> None:
    assert any(f'profile = "{profile}"' in example for example in EXAMPLES)
