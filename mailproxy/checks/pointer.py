"""JSON pointers (RFC 6901): where in a document to look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def find(document: Any, pointer: str) -> Any:
    """Return the value that a pointer points to; LookupError if there is none."""
    value = document
    for token in _tokens(pointer):
        if isinstance(value, dict):
            value = value[token]
        elif isinstance(value, list) and token.isascii() and token.isdigit() and (token == "0" or token[0] != "0"):
            value = value[int(token[:_DIGITS])]
        else:
            raise LookupError(pointer)
    return value


# More digits than the index of any list member needs.
_DIGITS = 18


def _tokens(pointer: str) -> Sequence[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def is_same(expected: object, value: object) -> bool:
    """Return whether two JSON values are the same: 1 is 1.0, but neither is true."""
    return isinstance(expected, bool) == isinstance(value, bool) and expected == value
