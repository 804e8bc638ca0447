"""
The configuration as JSON Schema, for editors: keys, their values, meanings and defaults.

Rules that depend on other keys or on the machine are not in it; ``mailproxy check`` has them.
"""

import re
from typing import Any

import attrs

from mailproxy.config.config import Config
from mailproxy.config.key import AnyTable, Array, Entries, Fields, Key, SameTable, Tables
from mailproxy.config.kind import NAME, Kind
from mailproxy.config.tables import tables_of

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The newest draft that Taplo supports, which editors use for TOML."""

_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_ELSEWHERE = re.compile(r"(?:^| )See below[^.]*\.|,? \(?see below\)?")
"""References that make sense only on the page."""


def json_schema() -> dict[str, Any]:
    """Make the schema of a configuration."""
    whole = Fields(Config)
    again = {
        key.table.make() for _, fields in tables_of(whole) for _, _, key in fields if isinstance(key.table, SameTable)
    }
    return {
        "$schema": DRAFT,
        "title": "configuration of mailproxy",
        **_fields(whole),
        "definitions": {_definition(fields): _fields(fields) for fields in again},
    }


def _definition(fields: Fields) -> str:
    return fields.model.__name__.lower()


def _fields(fields: Fields) -> dict[str, Any]:
    usual = {field.name: field.default for field in attrs.fields(fields.model)}
    keys = {name: (key, usual[field]) for name, field, key in fields}
    return {
        "type": "object",
        "properties": {name: _key(key) | _default(key, value) for name, (key, value) in keys.items()},
        # A key that one type of table needs may be absent from other types, and from a table that is merged with
        # others.
        "required": [name for name, (key, _) in keys.items() if key.is_needed and not key.types],
        "additionalProperties": False,
    }


def _key(key: Key) -> dict[str, Any]:
    taken = []
    if key.kind is not None:
        taken.append(_list(key.kind, key) if key.is_list else _value(key.kind))
        if key.or_one:
            taken.append(_value(key.kind))
    if key.table is not None:
        taken.append(_table(key.table, is_needed=key.is_needed))
    described = taken[0] if len(taken) == 1 else {"anyOf": taken}
    words = _ELSEWHERE.sub("", _LINK.sub(r"\1", key.words))
    return described | {"description": f"{words} (HAProxy: {', '.join(key.haproxy)})" if key.haproxy else words}


def _value(kind: Kind[Any]) -> dict[str, Any]:
    types = [_TYPES[type] for type in kind.types]
    return {"type": types[0] if len(types) == 1 else types, **kind.schema}


def _list(kind: Kind[Any], key: Key) -> dict[str, Any]:
    return {"type": "array", "items": _value(kind)} | ({"minItems": 1} if key.is_needed else {})


def _table(table: AnyTable, *, is_needed: bool) -> dict[str, Any]:
    match table:
        case Fields():
            return _fields(table)
        case Tables(inner):
            tables = {"type": "object", "propertyNames": dict(NAME.schema), "additionalProperties": _fields(inner)}
            return tables | ({"minProperties": 1} if is_needed else {})
        case Array(inner):
            return {"type": "array", "items": _fields(inner)}
        case SameTable(make, is_list):
            one = {"$ref": f"#/definitions/{_definition(make())}"}
            return {"type": "array", "items": one} if is_list else {"allOf": [one]}
        case Entries(value, names):
            if names is None:
                return {"type": "object", "additionalProperties": _key(value)}
            known = {name: _key(value) for name in names()}
            return {"type": "object", "properties": known, "additionalProperties": False}


def _default(key: Key, value: Any) -> dict[str, Any]:
    """Return the default, unless it depends on other keys."""
    if key.default or key.kind is None or key.table is not None or value is None:
        return {}
    if key.is_needed or isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        return {}
    return {"default": [key.kind.write(entry) for entry in value] if key.is_list else key.kind.write(value)}
