"""What may follow the words of a command that somebody is typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from mailproxy.control.argument import ARGUMENTS
from mailproxy.control.call import Call, NoService
from mailproxy.control.command import COMMANDS, Command, is_argument
from mailproxy.control.grammar import parse

Names = Callable[[str], Iterable[str]]
"""Returns the names in a running service: of each "frontend", "backend" or "server"."""

# Somebody has pressed a key and waits.
WAIT_SECONDS = 1.0


def following(words: Sequence[str], names: Names) -> list[str]:
    """Return what may stand behind these words, without what somebody has to make up."""
    found: dict[str, None] = {}
    for command in COMMANDS:
        if _begins(command, words):
            found |= dict.fromkeys(_next(command, words, names))
    return list(found)


def _begins(command: Command, words: Sequence[str]) -> bool:
    """Tell whether words are the beginning of a command, or all of its pattern and more."""
    return all(
        is_argument(expected) or expected == word for expected, word in zip(command.words, words, strict=False)
    ) and not _is_another(command, words)


def _is_another(command: Command, words: Sequence[str]) -> bool:
    """Tell whether words go on as a longer command does: ``drain frontend`` is no filter of ``drain``."""
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
    if command.optional:
        if not rest:
            yield from _values(command.optional, names)
        return
    given = set()
    while rest:
        name = rest.pop(0)
        given.add(name)
        if name in command.filters:
            if not rest:
                yield from _values(name, names)
                return
            rest.pop(0)
    yield from (name for name in (*command.flags, *command.filters) if name not in given)


def _values(name: str, names: Names) -> Iterable[str]:
    argument = ARGUMENTS[name]
    return names(argument.names) if argument.names else argument.choices


def live_names(path: str) -> Names:
    """Return who asks the service that listens at a path; it knows no names if that does not answer."""

    def names(kind: str) -> list[str]:
        found = []
        try:
            with Call(path, WAIT_SECONDS) as call:
                for line in call.ask(parse(["show", f"{kind}s"])):
                    if line.get("type") == "row":
                        server = f"/{line.get('server')}" if kind == "server" else ""
                        found.append(f"{line.get('backend' if kind == 'server' else kind)}{server}")
        except NoService:
            return []
        return found

    return names
