"""Every key is in the example and in the documentation, with the default that the model has."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from mailproxy.config import (
    Backend,
    BackendTimeouts,
    Config,
    Frontend,
    FrontendTimeouts,
    Log,
    Server,
    TlsProfile,
)
from mailproxy.config.model import MailProtocol, Profile, ProxyV2Option, SendProxy

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "etc" / "mailproxy.toml").read_text()
PAGE = (ROOT / "docs" / "configuration.md").read_text()

KEYS = {
    "backends": "backend",
    "frontends": "frontend",
    "servers": "server",
    "tlvs": "proxy-v2-tlvs",
    "pass_tlvs": "proxy-v2-pass-tlvs",
}
"""The fields that are not simply called as their keys."""

TABLES = {
    "": Config,
    "log.": Log,
    "tls.NAME.": TlsProfile,
    "frontend.NAME.": Frontend,
    "frontend.NAME.timeout.": FrontendTimeouts,
    "backend.NAME.": Backend,
    "backend.NAME.timeout.": BackendTimeouts,
    "backend.NAME.server.NAME.": Server,
}


def keys_of_the_model() -> Iterator[str]:
    for table, model in TABLES.items():
        for field in attrs.fields(model):
            if field.name != "name":
                yield table + KEYS.get(field.name, field.name.replace("_", "-"))


def keys_of(values: Mapping[str, Any], table: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield table + key
        if isinstance(value, dict):
            named = table + key in ("tls", "frontend", "backend", "backend.NAME.server")
            for below in value.values() if named else [value]:
                yield from keys_of(below, f"{table}{key}." + ("NAME." if named else ""))


@pytest.mark.parametrize("key", list(keys_of_the_model()))
def test_key_is_in_the_example(key: str) -> None:
    assert key in set(keys_of(tomllib.loads(EXAMPLE)))


HEADINGS = {
    "": "## Top level\n",
    "frontend.NAME.timeout.": "### `timeout` of a frontend\n",
    "backend.NAME.timeout.": "### `timeout` of a backend\n",
}
SECTIONS = ("log", "tls", "frontend", "backend")


@pytest.mark.parametrize("key", [key for key in keys_of_the_model() if key not in SECTIONS])
def test_key_is_in_the_documentation(key: str) -> None:
    table, dot, last = key.rpartition(".")
    _, heading, section = PAGE.partition(HEADINGS.get(table + dot, f"# `[{table}]`"))
    assert heading
    assert f"\n| `{last}` |" in section


@pytest.mark.parametrize("name", SECTIONS)
def test_table_is_in_the_documentation(name: str) -> None:
    assert re.search(rf"^## `\[{name}(\.NAME)?\]`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("word", [word for kind in (MailProtocol, Profile, SendProxy) for word in get_args(kind)])
def test_word_is_in_the_documentation(word: str) -> None:
    assert f'`"{word}"`' in PAGE
    assert f'"{word}"' in EXAMPLE


@pytest.mark.parametrize("option", get_args(ProxyV2Option))
def test_option_is_in_the_documentation(option: str) -> None:
    assert f"| `{option}` |" in PAGE
