"""The tables that a configuration may have, found from its class: where each is, and what its keys are."""

from collections.abc import Iterator

from mailproxy.config.key import Entries, Fields, Key, Tables
from mailproxy.config.words import key_path


def tables_of(fields: Fields, path: str = "") -> Iterator[tuple[str, Fields]]:
    """Yield a table and those in it, each by its path, in which NAME stands for a name of the admin's choice."""
    yield path, fields
    for name, _, key in fields:
        below = key_path(path, name)
        match key.table:
            case Fields():
                yield from tables_of(key.table, below)
            case Tables(inner) | Entries(value=Key(table=Fields() as inner)):
                yield from tables_of(inner, key_path(below, "NAME"))
