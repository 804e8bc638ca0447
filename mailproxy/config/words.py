"""How texts of others are shown on a line, and how error messages show values and suggest names."""

from collections.abc import Iterable
from difflib import get_close_matches
from json import dumps

_LONGEST_QUOTE = 80


def printable(text: str) -> str:
    r"""
    Return a text with escapes such as ``\x1b`` for what does not only show a letter.

    Clients and servers choose texts with control characters, which move a terminal's cursor or end a line, and with
    bidi overrides, which turn the rest of a line around.
    """
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()


def quoted(text: str) -> str:
    """Show any `text` in quotes on one line, shortened if it is long."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return dumps(shown, ensure_ascii=not shown.isprintable())


def described(value: object) -> str:
    """Describe a TOML value, to continue ``KEY: is …``."""
    match value:
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > 64:
            return "a number of more than 64 bits"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {quoted(value)}"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def listed(names: Iterable[str]) -> str:
    """Show `names` in quotes, with commas."""
    return ", ".join(map(quoted, names))


def key_path(parent: str, *keys: str) -> str:
    """Join the path of a table ('' for the whole file) and keys below it as TOML would write them."""
    path = parent
    for key in keys:
        plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
        shown = key if plain else quoted(key)
        path = f"{path}.{shown}" if path else shown
    return path


def nearest(name: str, names: Iterable[str], at_least: float = 0.6) -> str | None:
    """
    Find the one of `names` that `name` probably means; at a likeness of 1 they are equal, at 0 they share nothing.
    """
    # difflib takes quadratic time; all our names are much shorter.
    return next(iter(get_close_matches(name[:_LONGEST_QUOTE].lower(), list(names), n=1, cutoff=at_least)), None)
