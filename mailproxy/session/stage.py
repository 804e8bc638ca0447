"""
What the stages of a session have in common.

A session is in one stage at a time. The stage says what is called with the events of the client's socket, what happens
when it takes too long, and how it ends from outside. It knows its session by the protocol that it declares, which has
the attributes that it uses and the transitions to the next stage.
"""

from __future__ import annotations

from typing import Protocol

from mailproxy.session.termination import CLIENT_LEFT, Ending, Letter
from mailproxy.session.terms import Terms
from mailproxy.transport.poller import Poller, Ready
from mailproxy.transport.stream import Stream


class Host(Protocol):
    """What every stage knows of its session."""

    client: Stream
    """The client's connection."""
    poller: Poller
    terms: Terms

    def wait(self, seconds: float) -> None:
        """Call the stage's `expired` after seconds, instead of when it would be called before."""

    def part(self, ending: Ending, reason: str) -> None:
        """End politely."""

    def lose(self, ending: Ending, reason: str) -> None:
        """End at once."""

    def close(self) -> None:
        """Close the sockets, when the ending is decided already."""

    def broke(self) -> None:
        """End at once, because of a bug of ours."""


class Stage:
    """One stage of a session; `ready` and `expired` are each stage's own."""

    __slots__ = ("_session",)

    _session: Host

    def __init__(self, session: Host) -> None:
        self._session = session

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        raise NotImplementedError

    def expired(self) -> None:
        """End or go on: what the stage waited for has not come in time."""
        raise NotImplementedError

    @property
    def letter(self) -> Letter:
        """HAProxy's letter for how far the session has come."""
        return "R"

    @property
    def farewell(self) -> bytes:
        """What the client is told when the session is shut down in this stage; empty for nothing."""
        return b""

    @property
    def is_quiet(self) -> bool:
        """True when a shutdown now interrupts nothing that can be seen."""
        return True

    def failed(self, stream: Stream, reason: str) -> None:
        """End: a connection is broken both ways."""
        self._session.lose(CLIENT_LEFT, reason)

    def ended(self, stream: Stream) -> None:
        """Take note that nothing more comes from one side."""

    def leave(self) -> None:
        """Give up what only this stage has: the next one begins, or the session is over."""

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._session.broke()


class Outside(Stage):
    """No stage: before the first one, and after the last one."""

    __slots__ = ()

    def __init__(self) -> None:
        """Stand for every session."""
