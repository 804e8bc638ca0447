"""Patterns for texts that clients send: exact words, ``*`` and ``?`` for any characters, or a regular expression."""

import re
from collections.abc import Iterator

from attrs import field, frozen

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import quoted

LONGEST_VALUE = 255
"""
The most characters of a client's value that a pattern sees, as long as a DNS name or a common name can be.

A client chooses the value, and Python's regular expressions have no time limit.
"""

_LONGEST_PATTERN = 512

# A client that chooses the value must not make a search take long. The time grows with the square of the value's length
# if an expression repeats twice and begins at the value's start, or repeats once and begins anywhere.
_MAX_REPEATS = 2

# Each one may double the time.
_MAX_OPTIONS = 2

# Groups with alternatives, such as (a|aa): the time grows with the product of their branches. Where it grows with the
# square of the value's length as well, there may be fewer.
_MAX_COMBINATIONS = 1000
_MAX_COMBINATIONS_IF_SQUARE = 32

_NEEDS = 'a text; "*" and "?" stand for any characters, and "~" begins a regular expression'

_ESCAPED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_UNUSUAL = re.compile(r"\(\?(?!:|i\)|i:|[=!>]|<[=!]|P<|P=)")
"""
Begins a flag other than i, a comment, or a condition.

Verbose mode and comments hide what a repetition repeats: ``(?x)(a|aa) +``, ``(a|aa)(?#)+``. With (?m), ^ matches at
each line.
"""
_REPEAT = re.compile(r"[*+]|\{[0-9]*(?:,[0-9]*)?\}|\?")


@frozen
class TextPattern:
    """One pattern, as the configuration writes it."""

    text: str
    is_expression: bool = field(init=False, eq=False, repr=False)
    """True for a regular expression."""
    is_plain: bool = field(init=False, eq=False, repr=False)
    """True for a text without special characters: only an equal value matches."""

    def __attrs_post_init__(self) -> None:
        """Find its kind."""
        expression = self.text.startswith("~")
        object.__setattr__(self, "is_expression", expression)
        object.__setattr__(self, "is_plain", not expression and not set("*?") & set(self.text))

    def __str__(self) -> str:
        """Return it as it is written."""
        return self.text

    def compiled(self, *, ignore_case: bool) -> re.Pattern[str]:
        """Return the regular expression, whose `search` finds the pattern in a value."""
        flags = re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL
        return re.compile(self.text[1:] if self.is_expression else _of_glob(self.text), flags)


def _of_glob(text: str) -> str:
    """
    Return the regular expression for a text with ``*`` and ``?``.

    A part after a ``*`` is matched where it is first found, and not tried elsewhere (an atomic group), so that the time
    is bounded; the last one has to be at the end.
    """
    first, *others = ["".join("." if one == "?" else re.escape(one) for one in part) for part in text.split("*")]
    if not others:
        return rf"\A{first}\Z"
    *middle, last = others
    return rf"\A{first}{''.join(rf'(?>.*?{part})' for part in middle if part)}.*{last}\Z"


def _read(text: str) -> TextPattern:
    if not text or not text.isprintable():
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    if len(text) > _LONGEST_PATTERN:
        raise WrongValue(f"has {len(text)} characters; a pattern has {_LONGEST_PATTERN} at most")
    if text == "~":
        raise WrongValue(f"is {quoted(text)}, without the regular expression after it")
    if text.startswith("~"):
        _check_expression(text)
    return TextPattern(text)


def _check_expression(text: str) -> None:
    try:
        re.compile(text[1:])
    except (re.error, OverflowError, RecursionError) as error:
        raise WrongValue(f"is {quoted(text)}, which is not a regular expression: {error}") from None
    if objection := next(_slow_parts(text[1:]), ""):
        raise WrongValue(
            f"is {quoted(text)}, {objection}: a client that chooses the value could make the search take long; "
            "write several patterns, or use * and ?"
        )


def _slow_parts(expression: str) -> Iterator[str]:
    """Yield what could make a search take long."""
    plain = _ESCAPED.sub(lambda escaped: "^" if escaped[0] == r"\A" else "x", expression)
    if unusual := _UNUSUAL.search(plain):
        found = plain[unusual.start() : unusual.end() + 1]
        yield f"which has {found}; of the parts that begin with (? only (?: (?i (?= (?! (?< (?> (?P< are allowed"
    if re.search(r"\)(?:[*+]|\{)", plain):
        yield "which repeats a group"
    if re.search(r"\(\?P=|\\[1-9]", expression):
        yield "which refers to a group"
    repeats = [match[0] for match in _REPEAT.finditer(re.sub(r"\(\?", "(", plain))]
    branches = _branches(plain)
    is_anchored = all(branch.startswith("^") for branch in branches)
    most = _MAX_REPEATS if is_anchored else _MAX_REPEATS - 1
    options = repeats.count("?")
    repetitions = len(repeats) - options
    if repetitions > most:
        where = "does not begin with ^" if len(branches) == 1 else "has an alternative that does not begin with ^"
        yield f"which has more than {most} of * + {{}}{'' if is_anchored else f', and {where}'}"
    if options > _MAX_OPTIONS:
        yield f"which has more than {_MAX_OPTIONS} of ?"
    most_combinations = _MAX_COMBINATIONS_IF_SQUARE if repetitions == most else _MAX_COMBINATIONS
    if _combinations(plain) << options > most_combinations:
        yield f"which has more than {most_combinations} combinations of alternatives (| and ?)"


def _branches(plain: str) -> list[str]:
    """Return the alternatives of the whole expression, with x for each group."""
    found = 1
    while found:
        plain, found = re.subn(r"\([^()]*\)", "x", plain)
    return plain.split("|")


def _combinations(plain: str) -> int:
    """Return in how many ways one branch can be taken in each group: the sum over branches, the product over groups."""
    others, ways = [0], [1]
    for letter in plain:
        if letter == "(":
            others.append(0)
            ways.append(1)
        elif letter == "|":
            others[-1] += ways[-1]
            ways[-1] = 1
        elif letter == ")":
            of_group = others.pop() + ways.pop()
            ways[-1] *= of_group
    return others[-1] + ways[-1]


TEXT_PATTERN: Kind[TextPattern] = Kind((str,), _NEEDS, _read, schema={"minLength": 1}, write=str)
