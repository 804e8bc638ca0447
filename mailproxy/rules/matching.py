"""Texts and the patterns of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailproxy.config.text_pattern import LONGEST_VALUE, TextPattern


def matcher(patterns: Sequence[TextPattern], *, ignore_case: bool) -> Callable[[str], bool]:
    """Return the test whether a value, of which it sees `LONGEST_VALUE`, matches one of the patterns."""
    plain = frozenset(_folded(one.text, ignore_case) for one in patterns if one.is_plain)
    searches = tuple(one.compiled(ignore_case=ignore_case).search for one in patterns if not one.is_plain)

    def matches(value: str) -> bool:
        if plain and _folded(value, ignore_case) in plain:
            return True
        value = value[:LONGEST_VALUE]
        return any(search(value) is not None for search in searches)

    return matches


def _folded(text: str, ignore_case: bool) -> str:
    return text.lower() if ignore_case else text
