"""
The commands of `mailproxy ctl` over HTTP: `/api/v1/` and the words of the command, with slashes.

What shows is GET, with the arguments in the query; what changes is POST, with the arguments as a JSON object of
strings, or in the query. The path alone names the command. The answer is one JSON object: the rows, and a message.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import islice
from typing import Any

from attrs import asdict, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailproxy.config.words import quoted
from mailproxy.control.answer import Answer, Live
from mailproxy.control.answers import Answers
from mailproxy.control.client import ROWS_PER_TURN
from mailproxy.control.command import BY_NAME, COMMANDS, Command
from mailproxy.control.grammar import BadCommand, request_with
from mailproxy.control.grammar import Request as Asked
from mailproxy.control.status import Status
from mailproxy.web.reply import Refused, Reply, Stream, as_json, not_allowed
from mailproxy.web.request import Request
from mailproxy.web.turns import Turns

PREFIX = "/api/v1/"

LIMIT = "limit"
"""The argument with the most rows, of every command; a command with an argument of this name has it as well."""

_NOT_HERE = frozenset({"watch", "hand over", "leave"})
"""Commands that need the admin socket: descriptors of sockets go over it; `/api/v1/events` watches."""

_WITH_TOKEN = frozenset({"show config"})
"""Commands that show what not everybody may see: headers of checks may have passwords in them."""


def is_show(command: Command) -> bool:
    """Return whether a command changes nothing."""
    return command.name.startswith("show ")


@frozen
class Api:
    """Carries out the commands of HTTP clients."""

    answers: Answers
    turns: Turns
    check_token: Callable[[Request], None]

    async def answer(self, request: Request) -> Reply | Stream:
        """Answer a request below `PREFIX`."""
        words = request.where.removeprefix(PREFIX).strip("/")
        if not words:
            return self._index(request)
        command = BY_NAME.get(words.replace("/", " "))
        if command is None:
            raise _nothing_here()
        self._check(request, command)
        arguments, most = _arguments(request, command)
        try:
            found = self._carry_out(request, request_with(command, arguments))
            answer = await _uncancelled(found) if isinstance(found, Deferred) else found
        except BadCommand as error:
            raise Refused(400, str(error)) from None
        assert not isinstance(answer, Live)
        if answer.last is not None:
            request.close_and(answer.last)
        return Stream(self._rows(answer, most))

    def _check(self, request: Request, command: Command) -> None:
        """Check whether a client may have a command carried out, with this method; raise `Refused`."""
        if command.name in _NOT_HERE:
            raise _nothing_here()
        allowed = "GET, HEAD" if is_show(command) else "POST"
        if request.verb not in allowed.split(", "):
            raise not_allowed(request.verb, allowed)
        if command.name in _WITH_TOKEN or not is_show(command):
            self.check_token(request)

    def _carry_out(self, request: Request, asked: Asked) -> Answer | Live | Deferred[Answer]:
        # Checked again: only this says what is carried out, and the first check was of the path.
        self._check(request, asked.command)
        return self.answers.answer(asked, f"by {request.peer}")

    def _index(self, request: Request) -> Reply:
        if request.verb not in ("GET", "HEAD"):
            raise not_allowed(request.verb, "GET, HEAD")
        commands = [
            {
                "method": "GET" if is_show(command) else "POST",
                "path": PREFIX + command.name.replace(" ", "/"),
                "needs": list(command.arguments),
                "takes": [*command.filters, *command.flags],
                "summary": command.summary,
            }
            for command in COMMANDS
            if command.name not in _NOT_HERE
        ]
        return Reply(as_json({"commands": commands}))

    async def _rows(self, answer: Answer, most: int | None) -> AsyncGenerator[bytes, None]:
        """Make the answer, a few rows in each turn."""
        yield b'{"rows": ['
        separator = b""
        count = 0
        async for rows in in_turns(answer.rows, self.turns):
            kept = rows if most is None else rows[: most - count]
            count += len(kept)
            if kept:
                yield separator + b", ".join(json.dumps(asdict(row)).encode() for row in kept)
                separator = b", "
            if count == most:
                break
        yield b'], "message": ' + json.dumps(answer.words).encode() + b"}\n"


async def in_turns(
    rows: Iterable[Status | Deferred[None] | None], turns: Turns, most: int = ROWS_PER_TURN
) -> AsyncGenerator[list[Any], None]:
    """Yield the rows of an answer, up to `most` of them in each turn."""
    left = iter(rows)
    while True:
        looked_at = 0
        found: list[Any] = []
        awaited: Deferred[None] | None = None
        for row in islice(left, most):
            looked_at += 1
            if isinstance(row, Deferred):
                awaited = row
                break
            if row is not None:
                found.append(row)
        yield found
        if awaited is not None:
            await awaited
        elif looked_at < most:
            return
        await turns.next()


def _uncancelled(found: Deferred[Answer]) -> Deferred[Answer]:
    """Wait for an answer; a client that leaves does not cancel the command, which is done and logged."""
    mine: Deferred[Answer] = Deferred()

    def pass_on(result: Any) -> Any:
        if not mine.called:  # else the client has left
            mine.callback(result)
            return None
        return None if isinstance(result, Failure) and result.check(BadCommand) else result

    found.addBoth(pass_on)
    return mine


def _nothing_here() -> Refused:
    return Refused(404, f"there is no command at this path; GET {PREFIX} lists all")


def _arguments(request: Request, command: Command) -> tuple[dict[str, Any], int | None]:
    """Return the arguments of the command, and the most rows; raise `Refused`, also for one that is given twice."""
    if request.repeated is not None:
        raise _twice(request.repeated)
    arguments: dict[str, Any] = dict(request.arguments)
    if request.body:
        try:
            body = json.loads(request.body, object_pairs_hook=_without_repeated)
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refused(400, 'the body has to be a JSON object such as {"server": "dovecot/d1", "state": "drain"}')
        for name in arguments.keys() & body.keys():
            raise _twice(name)
        arguments |= body
    most = arguments.pop(LIMIT, None)
    if most is None:
        return arguments, None
    text = str(most)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text)):
        raise Refused(400, f"{LIMIT} has to be a whole number of rows from 1")
    if LIMIT in command.filters:
        arguments[LIMIT] = text
    return arguments, int(text)


def _without_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _twice(name)
        found[name] = value
    return found


def _twice(name: str) -> Refused:
    return Refused(400, f"the request has {quoted(name)} more than once; give each argument once")
