"""
The keys of a table, as metadata of the attrs fields that hold their values.

A field says what its key takes (`Kind`), what the reference page says of it and what HAProxy calls it; its default is
the field's own. From there come the reading of a table, the suggestions for unknown keys, the tables of
``docs/configuration.md`` and the JSON schema. What a key that is a table has in it is said too; the module of the table
reads it.

Why not cattrs: its detailed validation finds every error, with its path, and every unknown key. But a value that is
wrong leaves it without an object, so that the checks between keys cannot run in the same pass. Its errors are Python's
exceptions, from which the sentences for the admin would have to be made. It does not keep whether a key was there,
which layers such as ``default-server`` and the checks between keys ask. It knows no keys of other versions. All of that
would be hooks of ours, and what is left to cattrs is the loop in `read_keys`.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeVar, cast

import attrs

from mailproxy.config.kind import Kind
from mailproxy.config.table import Table

T = TypeVar("T", bound=attrs.AttrsInstance)

_METADATA = "mailproxy.config.key"


@attrs.frozen
class Fields:
    """The table of a key that is one: its keys are fields of this class, less some."""

    model: type[attrs.AttrsInstance]
    without: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str, "Key"]]:
        """Yield its keys, as `keys_of`."""
        return (known for known in keys_of(self.model) if known[0] not in self.without)


@attrs.frozen
class Tables:
    """Tables with names of the admin's choice, such as ``[backend.NAME]``."""

    fields: Fields


@attrs.frozen
class Entries:
    """A table in which every key takes the same; `names` are those that there are, None: any."""

    value: "Key"
    names: Callable[[], Collection[str]] | None = None


@attrs.frozen
class Key:
    """What is known of a key beside its default."""

    _kind: Kind[Any] | Callable[[], Kind[Any]] | None
    words: str
    """What it means, and why the default, in Markdown."""
    haproxy: tuple[str, ...] = ()
    """HAProxy's words for it; those that somebody could write as a key are understood."""
    values: str = ""
    """What it takes, in Markdown; empty: the kind's `values`."""
    default: str = ""
    """The default, in Markdown, where the field does not say it."""
    is_list: bool = False
    """Whether it takes a list of what the kind says."""
    or_one: bool = False
    """Whether a list of one may be written without brackets."""
    is_needed: bool = False
    """Whether the key has to be there."""
    spreads: bool = False
    """Whether the kind reads each entry of the list into a tuple of several."""
    name: str = ""
    """How it is called, where not as the field."""
    example: str = ""
    """What to write, for those who have a habit from HAProxy."""
    types: tuple[str, ...] = ()
    """The types of the table for which it is; empty: it is for all, and the table may have none."""
    table: Fields | Tables | Entries | None = None
    """The table that it takes, beside or instead of values."""
    is_read_apart: bool = False
    """Whether the module of its table reads it with code of its own, as it does with tables."""
    needs_restart: bool = False
    """Whether a running process cannot take up another value."""

    @property
    def kind(self) -> Kind[Any] | None:
        """What it takes, or what each entry of its list is; None: a table."""
        return self._kind if self._kind is None or isinstance(self._kind, Kind) else self._kind()

    @property
    def needs(self) -> str:
        """What it takes, to continue ``needs …``."""
        if self.kind is None:
            return "a table"
        return f"a list in which each entry is {self.kind.needs}" if self.is_list else self.kind.needs


def about(
    kind: Kind[Any] | Callable[[], Kind[Any]],
    words: str,
    *,
    haproxy: str | tuple[str, ...] = (),
    values: str = "",
    default: str = "",
    is_list: bool = False,
    or_one: bool = False,
    is_needed: bool = False,
    spreads: bool = False,
    name: str = "",
    example: str = "",
    types: tuple[str, ...] = (),
    is_read_apart: bool = False,
    needs_restart: bool = False,
) -> dict[str, Any]:
    """Make the metadata of a field that holds a key's value (see `Key`)."""
    key = Key(
        kind,
        words,
        haproxy=(haproxy,) if isinstance(haproxy, str) else haproxy,
        values=values,
        default=default,
        is_list=is_list,
        or_one=or_one,
        is_needed=is_needed,
        spreads=spreads,
        name=name,
        example=example,
        types=types,
        is_read_apart=is_read_apart,
        needs_restart=needs_restart,
    )
    return {_METADATA: (key,)}


def about_table(
    table: Fields | Tables | Entries,
    words: str,
    *,
    kind: Kind[Any] | None = None,
    haproxy: str | tuple[str, ...] = (),
    values: str = "table",
    default: str = "",
    is_needed: bool = False,
    name: str = "",
    example: str = "",
    types: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Make the metadata of a field that holds what a table says; `kind` is what its key takes beside a table."""
    key = Key(
        kind,
        words,
        haproxy=(haproxy,) if isinstance(haproxy, str) else haproxy,
        values=values,
        default=default,
        is_needed=is_needed,
        name=name,
        example=example,
        types=types,
        table=table,
        is_read_apart=True,
    )
    return {_METADATA: (key,)}


def together(*metadata: dict[str, Any]) -> dict[str, Any]:
    """Make the metadata of a field whose value is made of several keys; each has a `name`."""
    return {_METADATA: tuple(chain.from_iterable(one[_METADATA] for one in metadata))}


def keys_of(model: type[attrs.AttrsInstance]) -> Iterator[tuple[str, str, Key]]:
    """Yield the keys of a table that is read into this class, each with the name of its field."""
    for field in attrs.fields(model):
        for known in field.metadata.get(_METADATA, ()):
            yield known.name or field.name.replace("_", "-"), field.name, known


def read_keys(table: Table, usual: T) -> T:
    """Read the keys of `usual`'s class; the value of a key that is not there, or not right, is that of `usual`."""
    values = {}
    for name, field, known in keys_of(type(usual)):
        table.describe(name, known.needs, known.haproxy, known.example)
        if known.is_read_apart or known.kind is None:
            continue
        if known.is_list:
            read = table.require_each if known.is_needed else partial(table.each, or_one=known.or_one)
            entries = read(name, known.kind)
            values[field] = tuple(chain.from_iterable(entries)) if known.spreads else entries
        else:
            values[field] = (table.require if known.is_needed else table.take)(name, known.kind, getattr(usual, field))
    changed: T = attrs.evolve(cast(Any, usual), **values)
    return changed


def given_keys(table: Table, model: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Read those keys of a class that are there, into their values by key; what is not right is left out."""
    values = {}
    for name, _, known in keys_of(model):
        table.describe(name, known.needs, known.haproxy, known.example)
        if known.is_read_apart or known.kind is None:
            continue
        if known.is_list:
            value = (table.require_each if name in table else table.each)(name, known.kind) or None
        else:
            value = table.take(name, known.kind, None)
        if value is not None:
            values[name] = value
    return values
