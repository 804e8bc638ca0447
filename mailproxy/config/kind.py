"""The kinds of values: their TOML types, the words for them, and the functions that read them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import field, frozen

from mailproxy.config.words import listed, nearest, quoted

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}")


class WrongValue(ValueError):
    """The value has the right type, but the key does not allow it; the words continue ``KEY: …``."""


def _same(value: T) -> T:
    return value


@frozen
class Kind(Generic[T]):
    """One kind of value: `needs` continues ``KEY: is …, needs …``; `read` gets one of `types`; raises `WrongValue`."""

    types: tuple[type, ...]
    needs: str
    read: Callable[[Any], T]
    values: str = ""
    """The possible values, in Markdown, for the reference page."""
    schema: Mapping[str, Any] = field(factory=dict)
    """The JSON Schema in addition to the types; it must allow everything that `read` allows."""
    write: Callable[[Any], Any] = _same
    """The reverse of `read`: from a default to the value in a file."""


BOOLEAN: Kind[bool] = Kind((bool,), "true or false", lambda value: value, "`true`, `false`")


def integer(low: int, high: int) -> Kind[int]:
    """Make the kind of whole numbers from `low` to `high`."""
    needs = f"a whole number from {low} to {high}"

    def read(value: int) -> int:
        if not low <= value <= high:
            shown = value if value.bit_length() <= 64 else "a number of more than 64 bits"
            raise WrongValue(f"is {shown}, needs {needs}")
        return value

    return Kind((int,), needs, read, f"{low} to {high}", {"minimum": low, "maximum": high})


def one_of(names: Sequence[T], later: Mapping[str, str] | None = None) -> Kind[T]:
    """Make the kind of the strings in `names`; `later` explains names that this version does not have."""
    allowed: dict[str, T] = {str(name): name for name in names}
    needs = listed(allowed) if len(allowed) == 1 else f"one of {listed(allowed)}"

    def read(value: str) -> T:
        if value in allowed:
            return allowed[value]
        if later is not None and value in later:
            raise WrongValue(f"is {quoted(value)}: {later[value]}")
        meant = nearest(value, allowed)
        hint = f"; did you mean {quoted(meant)}?" if meant is not None and len(allowed) > 1 else ""
        raise WrongValue(f"is {quoted(value)}, needs {needs}{hint}")

    return Kind((str,), needs, read, ", ".join(f'`"{name}"`' for name in allowed), {"enum": list(allowed)})


def text(what: str) -> Kind[str]:
    """Make the kind of strings that are `what`: not empty and free of control characters."""

    def read(value: str) -> str:
        if not value or not value.isprintable():
            raise WrongValue(f"is {quoted(value)}, needs {what}")
        return value

    return Kind((str,), what, read, schema={"minLength": 1})


def check_name(value: str) -> str:
    """Return `value` if it can name a section; it appears in every log line."""
    if not _NAME.fullmatch(value):
        raise WrongValue(
            f"{quoted(value)} is not a name: use letters, digits and _ . : - (not first), at most 64 characters"
        )
    return value


NAME: Kind[str] = Kind((str,), 'a name such as "default"', check_name, schema={"pattern": f"^{_NAME.pattern}$"})
