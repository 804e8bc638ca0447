"""Replies to requests, as values."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping

from attrs import field, frozen

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
EVENTS = "text/event-stream"

Headers = Mapping[str, str | tuple[str, ...]]
"""Headers by name; several values are several fields."""


@frozen
class Reply:
    """A whole reply."""

    body: bytes
    type: str = JSON
    status: int = 200
    headers: Headers = field(factory=dict)


@frozen
class Stream:
    """A reply in pieces: the next one is made when the client has read the previous ones."""

    pieces: AsyncGenerator[bytes, None]
    type: str = JSON


@frozen
class Refused(Exception):
    """A request is refused: the status, and a sentence with the reason."""

    status: int
    words: str
    headers: Headers = field(factory=dict)

    @property
    def reply(self) -> Reply:
        """The reply that says so."""
        return Reply(as_json({"error": self.words}), JSON, self.status, self.headers)


def as_json(value: object) -> bytes:
    """Write a value as a line of JSON."""
    return json.dumps(value).encode() + b"\n"


def not_allowed(method: str, allowed: str) -> Refused:
    """Return the refusal of a method."""
    return Refused(405, f"this path does not take {method}; use {allowed}", {"Allow": allowed})
