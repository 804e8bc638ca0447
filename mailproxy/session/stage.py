"""
The common parts of a session's stages.

A session is in one stage at a time. The stage handles the events of the client's socket, its deadline, and a shutdown.
It declares a protocol for its session, with the attributes that it uses and the transitions to the next stage.
"""

from __future__ import annotations

from typing import Protocol

from mailproxy.session.termination import CLIENT_LEFT, Ending, Letter
from mailproxy.session.terms import Terms
from mailproxy.tls.presented import Presented
from mailproxy.transport.poller import Poller, Ready
from mailproxy.transport.stream import Stream


class Host(Protocol):
    """The part of a session that every stage uses."""

    client: Stream
    """The client's connection."""
    poller: Poller
    terms: Terms

    def wait(self, seconds: float) -> None:
        """Call the stage's `expired` after `seconds`; this replaces an earlier `wait`."""

    def part(
        self,
        ending: Ending,
        reason: str,
        presented: Presented | None = None,
        *,
        kind: str = "",
        sni: str | None = None,
    ) -> None:
        """
        End politely.

        `presented` is the client's certificate if it was refused for that. `kind` and `sni` are of a failed handshake:
        the kind of failure, and the server name that the client asked for.
        """

    def lose(self, ending: Ending, reason: str) -> None:
        """End at once."""

    def close(self) -> None:
        """Close the sockets; the ending is decided already."""

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
        """The function that the poller calls with the events of the client's socket."""
        raise NotImplementedError

    def expired(self) -> None:
        """End or continue: the stage's deadline has passed."""
        raise NotImplementedError

    @property
    def letter(self) -> Letter:
        """HAProxy's letter for how far the session has come."""
        return "R"

    @property
    def farewell(self) -> bytes:
        """The last words to the client if the session is shut down in this stage; may be empty."""
        return b""

    @property
    def is_quiet(self) -> bool:
        """True if a shutdown now interrupts nothing visible."""
        return True

    def failed(self, stream: Stream, reason: str) -> None:
        """End: a connection is broken."""
        self._session.lose(CLIENT_LEFT, reason)

    def ended(self, stream: Stream) -> None:
        """Note that one side has ended its stream."""

    def leave(self) -> None:
        """Release what only this stage holds: the next one begins, or the session is over."""

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._session.broke()


class Outside(Stage):
    """No stage: before the first one, and after the last one."""

    __slots__ = ()

    def __init__(self) -> None:
        """Stand for every session."""
