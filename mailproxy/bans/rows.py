"""
Reads JSON whose top level has long lists, one entry at a time.

`json.loads` holds the interpreter for the whole text, even in a thread: for 100,000 entries, all sessions would wait a
fifth of a second. Here another thread gets its turn between two entries, and an entry, or another value, has a limit:
a list of millions of numbers in one would hold the interpreter for many seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Generator, Iterator
from enum import Enum
from typing import Any, Final

LONGEST_VALUE = 65536
"""The most characters of an entry, of another value, and of spaces between them; a decision or a ban has 300."""

MAX_NAMES = 1024
"""The most names of the whole object: empty lists and null bring no entries, so their number limits nothing."""

MAX_MARKS = 1024
"""The most brackets and texts of an entry that is too long and is skipped: each costs a step; a decision has 20."""


class TooLong(Enum):
    """The type of `TOO_LONG`."""

    TOO_LONG = "too long"


TOO_LONG: Final = TooLong.TOO_LONG
"""Stands for an entry, an object, of more than `LONGEST_VALUE` characters."""

_USUAL = 1024
"""The characters that are tried first; a slice of the text is a copy."""

# A number that is cut off before ".", "e" or the digits after them is another number.
_NUMBER_CUT = 4


class _TooLongError(ValueError):
    """A value is too long, or wrong."""


_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\r\n]*").match
_plain = re.compile(r'[^"{}\[\]]*+').match
_text = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL).match
_comma = re.compile(r"[ \t\r\n]*+,[ \t\r\n]*+").match


def rows(text: str, names: Collection[str]) -> Iterator[tuple[str, Any]]:
    """
    Yield each entry of the lists with these names in a JSON object, with the list's name, and each other value.

    None in place of a list is an empty list, `TOO_LONG` an entry that is too long. Raises ValueError if the text is not
    a JSON object, perhaps after some entries.
    """
    place = _after(text, 0, "{")
    if text[place : place + 1] == "}":
        return _end(text, place + 1)
    for _ in range(MAX_NAMES):
        if text[place : place + 1] != '"':
            raise ValueError(f"no name at character {place}")
        name, place = _value(text, place)
        place = _after(text, place, ":")
        if name in names and text[place : place + 1] == "[":
            place = yield from _entries(text, place, name)
        else:
            value, place = _value(text, place)
            if name not in names or value is not None:
                yield name, value
        place = _skipped(text, place)
        if text[place : place + 1] == "}":
            return _end(text, place + 1)
        place = _after(text, place, ",")
    raise ValueError(f"more than {MAX_NAMES} names at character {place}")


def _entries(text: str, place: int, name: str) -> Generator[tuple[str, Any], None, int]:
    place = _after(text, place, "[")
    if text[place : place + 1] == "]":
        return place + 1
    while True:
        value, place = _entry(text, place)
        yield name, value
        # One match for the comma of all entries but the last: that is a third of the time.
        if found := _comma(text, place, place + LONGEST_VALUE):
            place = found.end()
            continue
        place = _skipped(text, place)
        if text[place : place + 1] != "]":
            raise ValueError(f"no ',' at character {place}")
        return place + 1


def _entry(text: str, place: int) -> tuple[Any, int]:
    try:
        return _value(text, place)
    except _TooLongError:
        end = _end_of_object(text, place) if text[place] == "{" else place
        if end - place <= LONGEST_VALUE - _NUMBER_CUT:
            raise
        return TOO_LONG, end


def _end_of_object(text: str, place: int) -> int:
    """Return the place after an object; another thread gets its turn between two pieces of it."""
    start = place
    depth = 0
    for _ in range(MAX_MARKS):
        place = _last(_plain, text, place)
        mark = text[place : place + 1]
        if not mark:
            break
        place += 1
        if mark == '"':
            place = _last(_text, text, place) + 1
        else:
            depth += 1 if mark in "{[" else -1
        if not depth:
            return place
    raise ValueError(f"no object of at most {MAX_MARKS} values at character {start}")


def _last(match: Callable[[str, int, int], re.Match[str] | None], text: str, place: int) -> int:
    """Return the place after all that matches."""
    while found := match(text, place, place + LONGEST_VALUE):
        if found.end() == place:
            break
        place = found.end()
    return place


def _value(text: str, place: int) -> tuple[Any, int]:
    for most in (_USUAL, LONGEST_VALUE):
        some = text[place : place + most]
        is_cut = place + most < len(text)
        try:
            value, end = _decode(some)
        except RecursionError:
            raise ValueError(f"nested too deeply at character {place}") from None
        except json.JSONDecodeError as error:
            if not is_cut:
                raise ValueError(f"{error.msg} at character {place + error.pos}") from None
        else:
            if not is_cut or end <= most - _NUMBER_CUT:
                return value, place + end
    raise _TooLongError(f"no value of at most {LONGEST_VALUE} characters at character {place}")


def _skipped(text: str, place: int) -> int:
    found = _space(text, place, place + LONGEST_VALUE)
    assert found is not None
    return found.end()


def _after(text: str, place: int, mark: str) -> int:
    """Return the place of what follows a mark, which is the next character but spaces."""
    place = _skipped(text, place)
    if text[place : place + 1] != mark:
        raise ValueError(f"no {mark!r} at character {place}")
    return _skipped(text, place + 1)


def _end(text: str, place: int) -> None:
    if _skipped(text, place) != len(text):
        raise ValueError(f"more text at character {place}")
