"""
The keys of a table, as metadata of the attrs fields that hold their values.

A field's metadata has the key's `Kind`, the words of the reference page and HAProxy's name; its default is the field's
own. Tables are read from this metadata; the suggestions for unknown keys, the tables of ``docs/configuration.md`` and
the JSON schema come from it, too. For a key that is a table, the metadata names the table's fields; the module of the
table reads it.

Why not cattrs: its detailed validation finds every error, with its path, and every unknown key. But after a wrong value
it makes no object, so the checks between keys cannot run in the same pass. Its errors are Python exceptions, from which
we would have to make sentences for the admin. It does not keep whether a key was present, which layers such as
``default-server`` and the checks between keys need. It does not know keys of other versions. All this would be our
hooks, and cattrs would only do the loop in `read_keys`.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from itertools import chain
from typing import Any, TypeAlias, TypeVar, cast

import attrs

from mailproxy.config.kind import Kind
from mailproxy.config.table import Table

T = TypeVar("T", bound=attrs.AttrsInstance)

_METADATA = "mailproxy.config.key"


@attrs.frozen
class Fields:
    """A table whose keys are the fields of a class, without some."""

    model: type[attrs.AttrsInstance]
    without: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str, "Key"]]:
        """Yield its keys, as `keys_of`."""
        return (known for known in keys_of(self.model) if known[0] not in self.without)


@attrs.frozen
class Tables:
    """Tables whose names the admin chooses, such as ``[backend.NAME]``."""

    fields: Fields


@attrs.frozen
class Array:
    """A list of tables, such as ``[[frontend.NAME.rule]]``."""

    fields: Fields


@attrs.frozen
class SameTable:
    """The table that the key is in, once more inside itself."""

    make: Callable[[], Fields]
    is_list: bool = False
    """Whether it takes a list of such tables."""


@attrs.frozen
class Entries:
    """A table whose keys all take the same kind; `names` are the allowed names, None: any."""

    value: "Key"
    names: Callable[[], Collection[str]] | None = None


AnyTable: TypeAlias = "Fields | Tables | Array | SameTable | Entries"
"""A table, or several, as the value of a key."""


@attrs.frozen
class Key:
    """The description of a key, without its default."""

    _kind: Kind[Any] | Callable[[], Kind[Any]] | None
    words: str
    """Its meaning, and the reason for the default, in Markdown."""
    haproxy: tuple[str, ...] = ()
    """HAProxy's words for it; an unknown key that is one of these words gets this key as a hint."""
    values: str = ""
    """Its values, in Markdown; empty: the kind's `values`."""
    default: str = ""
    """The default, in Markdown, if the field's default does not show it."""
    is_list: bool = False
    """Whether it takes a list of the kind."""
    or_one: bool = False
    """Whether a list of one entry may be written without brackets."""
    is_needed: bool = False
    """Whether the key is required."""
    spreads: bool = False
    """Whether the kind reads each entry of the list into a tuple of values."""
    name: str = ""
    """Its name, if it differs from the field's."""
    example: str = ""
    """An example, for an admin who writes HAProxy's form."""
    types: tuple[str, ...] = ()
    """The types of the table that it applies to; empty: all, or the table has no types."""
    table: "AnyTable | None" = None
    """The table that it takes, in addition to values or instead of them."""
    is_read_apart: bool = False
    """Whether the module of its table reads it with its own code, as it does for tables."""
    needs_restart: bool = False
    """Whether a new value takes effect only after a restart."""

    @property
    def kind(self) -> Kind[Any] | None:
        """The kind of its value, or of each entry of its list; None: a table."""
        return self._kind if self._kind is None or isinstance(self._kind, Kind) else self._kind()

    @property
    def needs(self) -> str:
        """Its values, to continue ``needs …``."""
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
    """Make the metadata of a field with a key's value (see `Key`)."""
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
    table: AnyTable,
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
    """Make the metadata of a field with a table's value; `kind` is for a value instead of a table."""
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
    """Make the metadata of a field that is read from several keys; each has a `name`."""
    return {_METADATA: tuple(chain.from_iterable(one[_METADATA] for one in metadata))}


def keys_of(model: type[attrs.AttrsInstance]) -> Iterator[tuple[str, str, Key]]:
    """Yield the keys of the table of this class, each with the name of its field."""
    for field in attrs.fields(model):
        for known in field.metadata.get(_METADATA, ()):
            yield known.name or field.name.replace("_", "-"), field.name, known


def read_keys(table: Table, usual: T) -> T:
    """Read the keys of `usual`'s class; a missing or wrong key has the value in `usual`."""
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
    """Read the keys of a class that are present, into values by key; wrong ones are left out."""
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
