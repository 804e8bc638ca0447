"""
The dialogue with a client before TLS.

Theory of operation. A `Script` is for one protocol and turns a line into an answer; it is made once and shared. A
`Dialogue` is for one connection: it splits the bytes into lines, counts them, and ends in one of three ways: TLS
starts, the connection closes, or a backend takes over.
"""

from __future__ import annotations

import re
from functools import lru_cache

from attrs import evolve, field, frozen

from mailproxy.mail.limits import Limits, limits_of
from mailproxy.mail.lines import UnreadableLine, line_end
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.script import Answer, Reaction, Script
from mailproxy.mail.step import Cause, Next, Step

# The characters that every protocol's greeting allows: no quote, angle bracket or space.
_HOST = re.compile(rb"[0-9A-Za-z._:\[\]-]{1,255}")

# A handshake record of any TLS (RFC 8446 section 5.1).
_TLS = b"\x16\x03"


def _check_host(settings: Settings, attribute: object, host: bytes) -> None:
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host name")


@frozen(cache_hash=True)
class Settings:
    """A frontend's settings for its dialogues; `open_dialogue` is quick if one value serves many."""

    host: bytes = field(validator=_check_host)
    """mailproxy's host name, for greetings."""

    capabilities: tuple[bytes, ...] | None = None
    """The backend's capabilities, in its own words (see `mailproxy.mail.capabilities`); None: unknown."""

    optional: bool = False
    """True if a client may continue without TLS: ``starttls-optional``."""

    limits: Limits | None = None
    """None: those of the protocol."""


@lru_cache(maxsize=64)
def _prepare(protocol: str, settings: Settings) -> tuple[Script, Limits]:
    definition = PROTOCOLS[protocol]
    script = definition.script(settings.host, settings.capabilities, optional=settings.optional)
    return script, settings.limits or limits_of(definition.line, optional=settings.optional)


def open_dialogue(protocol: str, settings: Settings) -> Dialogue:
    """Begin a dialogue with a new client; KeyError for a protocol without STARTTLS."""
    return Dialogue(*_prepare(protocol, settings))


_WAIT = Step()


class Dialogue:
    """
    One client before TLS (mutable; one per connection).

    Send `greeting`, then pass each received piece to `receive` and act on the `Step`; a step other than GO_ON is the
    last. Only an incomplete line is kept, at most ``limits.line`` octets.
    """

    __slots__ = ("_buffer", "_commands", "_errors", "_last", "_limits", "_prelude", "_script")

    def __init__(self, script: Script, limits: Limits) -> None:
        self._script = script
        self._limits = limits
        self._buffer = b""
        self._commands = 0
        self._errors = 0
        self._prelude = b""
        self._last: Step | None = None

    def greeting(self) -> bytes:
        """Return the first words to the client."""
        return self._script.greeting

    def receive(self, data: bytes) -> Step:
        """
        Take bytes in any pieces, and answer all complete lines.

        Bytes after the STARTTLS line close the connection, without any reply if they come with it: a negative one might
        make the client continue without TLS, and after a positive one it would begin TLS on a closed connection. The
        same happens if a caller passes later bytes to `receive` instead of to TLS.

        Raises ValueError after HAND_OVER.
        """
        if self._last is not None:
            return self._after(self._last)
        buffer = self._buffer + data
        start = 0
        step = _WAIT
        replies = []
        while step.next is Next.GO_ON:
            try:
                end = self._line_end(buffer, start)
            except UnreadableLine as error:
                reply = self._script.closing(error.text) if error.text else b""
                step = Step(reply, Next.CLOSE, error.cause, error.reason)
            else:
                if end < 0:
                    self._buffer = buffer[start:]
                    break
                step = self._answer(buffer, start, end)
                start = end
            replies.append(step.reply)
        if step.next is not Next.GO_ON:
            self._buffer = self._prelude = b""
            self._last = step
        return step if len(replies) <= 1 else evolve(step, reply=b"".join(replies))

    def late(self) -> Step:
        """Close, because the client took too long; the caller has the clock, and adds the time to the reason."""
        if self._last is None:
            self._last = Step(self._script.late(), Next.CLOSE, Cause.LIMIT, "too slow")
            return self._last
        return self._after(self._last)

    def _line_end(self, buffer: bytes, start: int) -> int:
        if not self._commands and buffer.startswith(_TLS):
            raise UnreadableLine(Cause.BAD_INPUT, "the client began TLS without STARTTLS", "")
        return line_end(buffer, start, self._limits.line)

    def _answer(self, buffer: bytes, start: int, end: int) -> Step:
        if self._commands >= self._limits.commands:
            return self._too_many("commands", self._limits.commands)
        self._commands += 1
        answer = self._script.answer(buffer[start : end - 2])
        if answer.prelude is not None:
            self._prelude = answer.prelude
        return self._act_on(answer, buffer, start, end)

    def _act_on(self, answer: Answer, buffer: bytes, start: int, end: int) -> Step:
        match answer.reaction:
            case Reaction.GO_ON:
                return Step(answer.reply)
            case Reaction.FAIL:
                if self._errors >= self._limits.errors:
                    return self._too_many("errors", self._limits.errors)
                self._errors += 1
                return Step(answer.reply)
            case Reaction.START_TLS:
                if end < len(buffer):
                    return _injection(len(buffer) - end)
                return Step(answer.reply, Next.START_TLS)
            case Reaction.SAY_GOODBYE:
                return Step(answer.reply, Next.CLOSE, Cause.GOODBYE, "the client said goodbye")
            case Reaction.REFUSE:
                return Step(answer.reply, Next.CLOSE, Cause.BAD_INPUT, answer.reason)
            case Reaction.HAND_OVER:
                return Step(next=Next.HAND_OVER, prelude=self._prelude, pending=buffer[start:])

    def _too_many(self, what: str, limit: int) -> Step:
        return Step(self._script.closing(f"Too many {what}"), Next.CLOSE, Cause.LIMIT, f"more than {limit} {what}")

    def _after(self, last: Step) -> Step:
        if last.next is Next.HAND_OVER:
            raise ValueError("a backend has taken over, what the client says is no longer the dialogue's")
        if last.next is Next.START_TLS:
            self._last = _injection(None)
            return self._last
        return evolve(last, reply=b"")


def _injection(count: int | None) -> Step:
    bytes_ = "bytes" if count is None else f"{count} bytes"
    return Step(next=Next.CLOSE, cause=Cause.INJECTION, reason=f"{bytes_} after STARTTLS")
