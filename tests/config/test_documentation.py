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
from mailproxy.config import Config, remarks
from mailproxy.config.check import CheckType
from mailproxy.config.document import read_document
from mailproxy.config.http import Method
from mailproxy.config.key import Fields, SameTable
from mailproxy.config.model import (
    CheckHeader,
    Observe,
    OnMarkedDown,
    OnMarkedUp,
    ResolvePrefer,
    SendProxy,
    Verify,
)
from mailproxy.config.tables import tables_of
from mailproxy.config.words import key_path
from mailproxy.mail.protocols import protocol_words
from mailproxy.profiles import PROFILES
from tests.config.reference import TABLES

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "etc" / "mailproxy.toml").read_text()
PAGE = (ROOT / "docs" / "configuration.md").read_text()

ALL = tuple(tables_of(Fields(Config)))


AGAIN = {name for _, fields in ALL for name, _, key in fields if isinstance(key.table, SameTable)}


def keys_of(values: Mapping[str, Any], table: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield table + key
        if key in AGAIN:  # the same table inside itself
            for below in [value] if isinstance(value, dict) else value:
                yield from keys_of(below, table)
        elif isinstance(value, list):
            for below in value:
                if isinstance(below, dict):
                    yield from keys_of(below, f"{table}{key}.")
        elif isinstance(value, dict):
            named = f"{table}{key}.NAME" in dict(ALL)
            for below in value.values() if named else [value]:
                if isinstance(below, dict):
                    yield from keys_of(below, f"{table}{key}." + ("NAME." if named else ""))


# What nobody should copy, and what is not for the unit, is there as a comment.
EXAMPLE_KEYS = set(keys_of(tomllib.loads(EXAMPLE))) | {"tls.NAME.keylog", "user", "group"}


@pytest.mark.parametrize("key", ["keylog", "user", "group"])
def test_key_that_is_not_for_everybody_is_a_comment_in_the_example(key: str) -> None:
    assert f"\n# {key} = " in EXAMPLE


def test_every_key_is_in_the_example() -> None:
    keys = {(fields.model, name): False for _, fields in ALL for name, _, _ in fields}
    for path, fields in ALL:
        for name, _, _ in fields:
            keys[fields.model, name] |= key_path(path, name) in EXAMPLE_KEYS
    assert [f"{model.__name__}: {name}" for (model, name), is_there in keys.items() if not is_there] == []


NO_KEYS = {"name", "files", "has_first_look", "text"}
"""Fields for what is no key: the table's own name, and what follows from several."""


def test_every_field_is_described() -> None:
    described = {(fields.model, field) for _, fields in ALL for _, field, _ in fields}
    fields = {(table.model, field.name) for _, table in ALL for field in attrs.fields(table.model)}
    assert {field for _, field in fields - described} == NO_KEYS


def test_every_table_is_in_the_documentation() -> None:
    assert {type(usual) for usual in TABLES.values()} == {fields.model for _, fields in ALL}


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
