"""The tables that a configuration may have, found from its class, with their paths and keys."""

from collections.abc import Iterable, Iterator

from mailproxy.config.key import Array, Entries, Fields, Key, Tables
from mailproxy.config.words import key_path


def tables_of(fields: Fields, path: str = "") -> Iterator[tuple[str, Fields]]:
    """Yield a table and those in it, each with its path; NAME in a path is a name that the admin chooses."""
    yield path, fields
    for name, _, key in fields:
        below = key_path(path, name)
        match key.table:
            case Fields():
                yield from tables_of(key.table, below)
            case Array(inner):
                yield from tables_of(inner, below)
            case Tables(inner) | Entries(value=Key(table=Fields() as inner)):
                yield from tables_of(inner, key_path(below, "NAME"))


def elsewhere(whole: Fields, word: str) -> str:
    """
    Return words, to continue ``KEY: …``, about the tables with this key or with HAProxy's word; "" if there is none.
    """
    found = [(path, name, key) for path, fields in tables_of(whole) for name, _, key in fields]
    same = [path for path, name, _ in found if name == word]
    if same:
        return f"is a key of {_tables(same)}, not of this table"
    for _, meant, key in found:
        if word in key.haproxy:
            tables = _tables(path for path, name, other in found if name == meant and other is key)
            return f"is HAProxy's word for {meant} of {tables}" + (f", such as {key.example}" if key.example else "")
    return ""


def _tables(paths: Iterable[str]) -> str:
    return " and ".join(f"[{path}]" if path else "the top level" for path in paths)
