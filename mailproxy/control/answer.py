"""The answer to a command."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence

from attrs import frozen
from twisted.internet.defer import Deferred

from mailproxy.control.status import Status


@frozen
class Answer:
    """The answer to a command: rows, and a message after them."""

    rows: Iterable[Status | Deferred[None] | None] = ()
    """
    None stands for an object that the filters exclude: looking at it takes time as well. After a Deferred, the next row
    is ready when it fires.
    """
    words: str = ""
    last: Callable[[], object] | None = None
    """Called when the answer is written and the connection is closed."""
    lost: Callable[[], object] | None = None
    """Called when the connection is closed, after `last`; further requests may come before."""
    sockets: Sequence[socket.socket] = ()
    """Sent as descriptors, one with each row."""


@frozen
class Live:
    """An answer without an end: the events from now on."""

    events: str
