"""Completion in a shell: the words that may follow in a command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from mailproxy.control.argument import ARGUMENTS
from mailproxy.control.call import Call, NoService
from mailproxy.control.command import COMMANDS, Command, is_argument
from mailproxy.control.grammar import parse

Names = Callable[[str], Iterable[str]]
"""Returns the names of one kind in a running service: "frontend", "backend", "server" or "session"."""

# The user has pressed the tab key and waits.
WAIT_SECONDS = 1.0

# A service may have a hundred thousand sessions.
MAX_NAMES = 1000


def following(words: Sequence[str], names: Names) -> list[str]:
    """Return the words that may follow these; values such as durations are not among them."""
    found: dict[str, None] = {}
    for command in COMMANDS:
        if _begins(command, words):
            found |= dict.fromkeys(_next(command, words, names))
    return list(found)


def _begins(command: Command, words: Sequence[str]) -> bool:
    """Return whether the words begin a command, or begin with its whole pattern."""
    return all(
        is_argument(expected) or expected == word for expected, word in zip(command.words, words, strict=False)
    ) and not _is_another(command, words)


def _is_another(command: Command, words: Sequence[str]) -> bool:
    """Return whether the words belong to a longer command: ``drain frontend`` is not ``drain`` with a filter."""
    place = len(command.words)
    return len(words) > place and any(
        len(other.words) > place and other.words[: place + 1] == [*command.words, words[place]] for other in COMMANDS
    )


def _next(command: Command, words: Sequence[str], names: Names) -> Iterator[str]:
    place = len(words)
    if place < len(command.words):
        word = command.words[place]
        yield from _values(word.lower(), names) if is_argument(word) else [word]
        return
    rest = list(words[len(command.words) :])
    given = set()
    left = list(command.optional)
    while rest:
        name = rest.pop(0)
        if left and name not in (*command.flags, *command.filters):
            left.pop(0)
            continue
        given.add(name)
        if name in command.filters:
            if not rest:
                yield from _values(name, names)
                return
            rest.pop(0)
    yield from (name for name in (*command.flags, *command.filters) if name not in given)
    if left:
        yield from _values(left[0], names)


def _values(name: str, names: Names) -> Iterable[str]:
    argument = ARGUMENTS[name]
    return names(argument.names) if argument.names else argument.choices


def live_names(path: str) -> Names:
    """Return a function that asks the service with this admin socket; without an answer it returns no names."""

    def names(kind: str) -> list[str]:
        try:
            with Call(path, WAIT_SECONDS) as call:
                rows = (line for line in call.ask(parse(["show", f"{kind}s"])) if line.get("type") == "row")
                return [_name(kind, row) for row in islice(rows, MAX_NAMES)]
        except NoService:
            return []

    return names


def _name(kind: str, row: Mapping[str, Any]) -> str:
    match kind:
        case "server":
            return f"{row.get('backend')}/{row.get('server')}"
        case "session":
            return str(row.get("id"))
        case "ban":
            return str(row.get("network"))
    return str(row.get(kind))
