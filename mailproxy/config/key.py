"""
The keys of a table, as metadata of the attrs fields that hold their values.

A field says what its key takes (`Kind`), what the reference page says of it and what HAProxy calls it; its default is
the field's own. From there come the reading of a table, the suggestions for unknown keys and the rows of
``docs/configuration.md``.

Why not cattrs: its detailed validation finds every error, with its path, and every unknown key. But a value that is
wrong leaves it without an object, so that the checks between keys cannot run in the same pass. Its errors are Python's
exceptions, from which the sentences for the admin would have to be made. It does not keep whether a key was there,
which layers such as ``default-server`` and the checks between keys ask. It knows no keys of other versions. All of that
would be hooks of ours, and what is left to cattrs is the loop in `read_keys`.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, TypeVar, cast

import attrs

from mailproxy.config.kind import Kind
from mailproxy.config.table import Table

T = TypeVar("T", bound=attrs.AttrsInstance)

_METADATA = "mailproxy.config.key"


@attrs.frozen
class Key:
    """What is known of a key beside its default."""

    _kind: Kind[Any] | Callable[[], Kind[Any]]
    words: str
    """What it means, and why the default, in Markdown."""
    haproxy: str = ""
    """HAProxy's word for it, where that is another one."""
    values: str = ""
    """What it takes, in Markdown; empty: the kind's `values`."""
    default: str = ""
    """The default, in Markdown, where the field does not say it."""
    is_list: bool = False
    """Whether it takes a list of what the kind says."""
    is_needed: bool = False
    """Whether the key has to be there."""
    spreads: bool = False
    """Whether the kind reads each entry of the list into a tuple of several."""
    name: str = ""
    """How it is called, where not as the field."""
    types: tuple[str, ...] = ()
    """The types of the table for which it is; empty: it is for all, and the table may have none."""

    @property
    def kind(self) -> Kind[Any]:
        """What it takes, or what each entry of its list is."""
        return self._kind if isinstance(self._kind, Kind) else self._kind()


def about(
    kind: Kind[Any] | Callable[[], Kind[Any]],
    words: str,
    *,
    haproxy: str = "",
    values: str = "",
    default: str = "",
    is_list: bool = False,
    is_needed: bool = False,
    spreads: bool = False,
    name: str = "",
    types: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Make the metadata of a field that holds a key's value (see `Key`)."""
    return {_METADATA: Key(kind, words, haproxy, values, default, is_list, is_needed, spreads, name, types)}


def keys_of(model: type[attrs.AttrsInstance]) -> Iterator[tuple[str, str, Key]]:
    """Yield the keys of a table that is read into this class, each with the name of its field."""
    for field in attrs.fields(model):
        known = field.metadata.get(_METADATA)
        if known is not None:
            yield known.name or field.name.replace("_", "-"), field.name, known


def read_keys(table: Table, usual: T) -> T:
    """Read the keys of `usual`'s class; the value of a key that is not there, or not right, is that of `usual`."""
    values = {}
    for name, field, known in keys_of(type(usual)):
        if known.haproxy:
            table.also_called(name, known.haproxy)
        if known.is_list:
            entries = (table.require_each if known.is_needed else table.each)(name, known.kind)
            values[field] = tuple(chain.from_iterable(entries)) if known.spreads else entries
        else:
            values[field] = (table.require if known.is_needed else table.take)(name, known.kind, getattr(usual, field))
    changed: T = attrs.evolve(cast(Any, usual), **values)
    return changed


def given_keys(table: Table, model: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Read those keys of a class that are there, into their values by key; what is not right is left out."""
    kinds = {}
    for name, _, known in keys_of(model):
        if known.haproxy:
            table.also_called(name, known.haproxy)
        kinds[name] = known.kind
    return table.given(kinds)
