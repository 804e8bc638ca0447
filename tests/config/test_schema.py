"""The JSON schema: it takes what mailproxy takes, and refuses what it can know to be wrong."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from mailproxy.config import Config, Frontend
from mailproxy.config.duration import written
from mailproxy.config.key import Fields
from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.schema import json_schema
from mailproxy.config.tables import tables_of
from mailproxy.config.words import key_path
from tests.config.builders import MISSING, minimal

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    pytest.param(match[1], id=f"{page.name}-{page.read_text()[: match.start()].count(chr(10)) + 1}")
    for page in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
    for match in re.finditer(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
]

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)


def errors(values: Mapping[str, Any], *, is_part: bool = False) -> list[str]:
    """What the schema has against a configuration, or a part of one, each error with the path of its key."""
    return [
        f"{key_path('', *map(str, error.absolute_path))}: {error.message}"
        for error in VALIDATOR.iter_errors(values)
        if not (is_part and _is_of_absence(error))
    ]


def _is_of_absence(error: ValidationError) -> bool:
    return error.validator in ("required", "minProperties")


def test_schema_is_a_json_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", sorted((ROOT / "etc").glob("*.toml")), ids=lambda file: file.name)
def test_file_that_we_ship_is_good(file: Path) -> None:
    assert errors(tomllib.loads(file.read_text())) == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_of_a_page_is_good(example: str) -> None:
    assert errors(tomllib.loads(example), is_part=True) == []


def test_smallest_configuration_is_good() -> None:
    assert errors(minimal()) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("frontend", MISSING),
        ("backend", {}),
        ("frontend__imaps__bind", MISSING),
        ("frontend__imaps__bind", []),
        ("frontend__imaps__bind", "0.0.0.0:993"),
        ("frontend__imaps__protocol", "imaps"),
        ("frontend__imaps__maxconn", 0),
        ("frontend__imaps__timeout", {"client": 35}),
        ("frontend__imaps__timeout", {"client": "35"}),
        ("frontend__imaps__accept_proxy_only", "yes"),
        ("frontend__-x", {"bind": ["[::]:143"], "protocol": "imap", "backend": "dovecot"}),
        ("backend__dovecot__ballance", "first"),
        ("backend__dovecot__ports", {"imaps": 993}),
        ("backend__dovecot__ports", {"imap": 0}),
        ("backend__dovecot__proxy_v2_tlvs", {"0xE1": {"fmt": "{tls}"}}),
        ("backend__dovecot__proxy_v2_tlvs", {"0xE1": 1}),
        ("backend__dovecot__default_server", {"address": "10.0.0.1"}),
        ("backend__dovecot__server__d1__tls", "yes"),
        ("backend__dovecot__server__d1__tls", {"verify": True}),
        ("backend__dovecot__server__d1__check", {"json": {"/up": [1]}}),
        ("backend__dovecot__server__d1__template", {"count": 2}),
        ("tls__default__certificates", [""]),
    ],
)
def test_wrong_one_is_refused(key: str, value: object) -> None:
    assert len(errors(minimal(**{key: value}))) == 1


KINDS = {
    (fields.model, name): (key_path(path, name), key, key.kind)
    for path, fields in tables_of(Fields(Config))
    for name, _, key in fields
    if key.kind is not None and key.table is None
}
WORDS = sorted({word for _, _, kind in KINDS.values() for word in kind.schema.get("enum", ()) if isinstance(word, str)})
TEXTS = ["0xE1", "2xx", "200-399", "10.0.0.1", "10.0.0.0/8", "/run/x", "[::]:993", "imap.example.org", "5m", "10 ms"]
VALUES = (
    st.sampled_from([*WORDS, *TEXTS, True, False])
    | st.integers(-1, 700)
    | st.text(max_size=5)
    | st.from_regex(r"[0-9]{1,3} ?[a-z]{1,2}", fullmatch=True)
    | st.lists(st.integers(0, 3), max_size=2)
)


def takes(kind: Kind[Any], value: object) -> bool:
    """Whether mailproxy takes the value."""
    try:
        kind.read(value)
    except WrongValue:
        return False
    return True


def schema_of(path: str) -> dict[str, Any]:
    """What the schema has for a key."""
    found = SCHEMA
    for part in path.split("."):
        found = found["items"] if found.get("type") == "array" else found  # a list of tables
        options = found.get("anyOf", [found])
        (found,) = (
            option["additionalProperties"] if part == "NAME" else option["properties"][part]
            for option in options
            if option["type"] == "object"
        )
    return found


VALIDATORS = {
    path: (kind, Draft7Validator(schema_of(path)["items"] if key.is_list and not key.or_one else schema_of(path)))
    for path, key, kind in KINDS.values()
}


@given(VALUES)
def test_what_mailproxy_takes_is_good(value: object) -> None:
    taking = [path for path, (kind, _) in VALIDATORS.items() if type(value) in kind.types and takes(kind, value)]
    assert [path for path in taking if not VALIDATORS[path][1].is_valid(value)] == []


def defaults(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every part of a schema that has a default."""
    if "default" in schema:
        yield schema
    for name in ("properties", "additionalProperties"):
        if isinstance(inner := schema.get(name), dict):
            for below in inner.values() if name == "properties" else [inner]:
                yield from defaults(below)


def test_defaults_are_values_that_the_key_takes() -> None:
    found = list(defaults(SCHEMA))
    assert len(found) > 40
    assert [schema for schema in found if not Draft7Validator(schema).is_valid(schema["default"])] == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (0.5, "500ms"), (90.0, "90s"), (2100.0, "35m"), (7200.0, "2h")]
)
def test_durations_are_written_in_the_largest_unit(seconds: float, text: str) -> None:
    assert written(seconds) == text


def test_descriptions_are_whole_without_the_page() -> None:
    assert "See [below](#" in {name: key.words for name, _, key in Fields(Frontend)}["tls-offloaded-by"]
    assert not re.search(r"\]\(|[Ss]ee below| See |'description': '[ (]", str(SCHEMA))
