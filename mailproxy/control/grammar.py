"""Parses words, or a request, into a command with its arguments; an error is one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from mailproxy.config.kind import WrongValue
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.control.argument import ARGUMENTS
from mailproxy.control.command import BY_NAME, COMMANDS, YES, Command, is_argument


class BadCommand(Exception):
    """A command is wrong or not possible; the text is a sentence with the reason."""


@frozen
class Request:
    """A command, and the texts of its arguments by name."""

    command: Command
    arguments: Mapping[str, str]

    def read(self) -> dict[str, Any]:
        """Return the values of the arguments; raise `BadCommand` if one is wrong."""
        values = {}
        for name, text in self.arguments.items():
            try:
                values[name] = ARGUMENTS[name].read(text)
            except WrongValue as error:
                raise BadCommand(f"{name.upper()} {error}") from None
        return values


def parse(words: Sequence[str]) -> Request:
    """Parse the words of a command line; raise `BadCommand` if they are not a command."""
    commands = list(COMMANDS)
    arguments: dict[str, str] = {}
    for place, word in enumerate(words):
        still = [command for command in commands if len(command.words) > place]
        exact = [command for command in still if command.words[place] == word]
        taking = [command for command in still if is_argument(command.words[place])]
        if not (exact or taking):
            whole = [command for command in commands if len(command.words) == place]
            if whole:
                return _checked(Request(whole[0], arguments | _rest(whole[0], words[place:])))
            raise BadCommand(_unknown(words[:place], word, [command.words[place] for command in still]))
        commands = exact or taking
        if not exact:
            arguments[taking[0].words[place].lower()] = word
    for command in commands:
        if len(command.words) == len(words):
            return _checked(Request(command, arguments))
    following = sorted({command.words[len(words)] for command in commands})
    problem = f"{quoted(' '.join(words))} is not a complete command" if words else "the command is missing"
    raise BadCommand(f"{problem}; the next word is {_choice(following)}")


def _rest(command: Command, words: Sequence[str]) -> dict[str, str]:
    """Parse the words after the pattern of a command."""
    arguments: dict[str, str] = {}
    expected = list(command.optional)
    left = list(words)
    while left:
        word = left.pop(0)
        if word in command.flags and word not in arguments:
            arguments[word] = YES
        elif word in command.filters and word not in arguments:
            if not left:
                raise BadCommand(f"{quoted(word)} needs a value: {ARGUMENTS[word].needs}")
            arguments[word] = left.pop(0)
        elif expected:
            arguments[expected.pop(0)] = word
        elif word in arguments:
            raise BadCommand(f"{quoted(word)} is given twice")
        elif command.optional or not (command.filters or command.flags):
            raise BadCommand(f"{quoted(word)} is one word too many: the command is {quoted(command.usage)}")
        else:
            raise BadCommand(_unknown([command.name], word, (*command.filters, *command.flags)))
    return arguments


def _unknown(before: Sequence[str], word: str, expected: Iterable[str]) -> str:
    known = sorted(set(expected))
    meant = nearest(word, [name for name in known if not is_argument(name)])
    hint = f"; did you mean {quoted(meant)}?" if meant else f"; the next word is {_choice(known)}"
    after = f" after {quoted(' '.join(before))}" if before else ""
    return f"{quoted(word)} is unknown{after}{hint}"


def _choice(words: Sequence[str]) -> str:
    if len(words) == 1 and is_argument(words[0]):
        return f"{words[0]}, {ARGUMENTS[words[0].lower()].needs}"
    return listed(words)


def request_of(message: Mapping[str, object]) -> Request:
    """Parse a message from the socket; raise `BadCommand` if it is not a request."""
    name = message.get("command")
    if not isinstance(name, str):
        raise BadCommand('a request has a "command", such as {"command": "show info"}')
    command = BY_NAME.get(name)
    if command is None:
        meant = nearest(name, BY_NAME)
        hint = f"did you mean {quoted(meant)}?" if meant else f"there are {listed(BY_NAME)}"
        raise BadCommand(f"{quoted(name)} is not a command; {hint}")
    return request_with(command, {key: value for key, value in message.items() if key not in ("command", "type")})


def request_with(command: Command, given: Mapping[str, object]) -> Request:
    """Return a request for this command with these arguments and no others; raise `BadCommand` if they are wrong."""
    arguments = {}
    known = (*command.arguments, *command.filters, *command.flags, *command.optional)
    for key, value in given.items():
        if key not in known:
            meant = nearest(key, known)
            hint = f"did you mean {quoted(meant)}?" if meant else f"it has {listed(known) or 'none'}"
            raise BadCommand(f"{quoted(key)} is not an argument of {quoted(command.name)}; {hint}")
        if not isinstance(value, str):
            raise BadCommand(f"{quoted(key)} needs a string: {ARGUMENTS[key].needs}")
        arguments[key] = value
    for key in command.arguments:
        if key not in arguments:
            raise BadCommand(f"{quoted(command.name)} needs {quoted(key)}: {ARGUMENTS[key].needs}")
    return _checked(Request(command, arguments))


def _checked(request: Request) -> Request:
    request.read()
    return request
