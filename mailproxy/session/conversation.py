"""What is said with a client before TLS: a `Dialogue` on a socket."""

from __future__ import annotations

from typing import Protocol

from attrs import evolve

from mailproxy.mail.dialogue import Dialogue
from mailproxy.mail.step import Cause, Next, Step
from mailproxy.session.termination import CLIENT_LEFT, GOODBYE, INJECTED, LOGIN_LATE, MISBEHAVED, Ending
from mailproxy.transport.poller import WRITE
from mailproxy.transport.stream import Stream

# At once; a client that has more to say before TLS is read again.
CHUNK_BYTES = 4096


class Partner(Protocol):
    """For whom a conversation is led."""

    def tls_wanted(self) -> None:
        """Shake hands: the client's next byte belongs to TLS."""

    def taken_over(self, step: Step) -> None:
        """Dial a backend, which goes on with the client in clear."""

    def part(self, ending: Ending, reason: str) -> None:
        """End: everything is said."""

    def lose(self, ending: Ending, reason: str) -> None:
        """End at once: the client has gone."""


class Conversation:
    """One client's dialogue; it ends with one of the calls of its `Partner`."""

    __slots__ = ("_client", "_dialogue", "_partner", "_seconds")

    def __init__(self, partner: Partner, client: Stream, dialogue: Dialogue, seconds: float) -> None:
        """Get ready; `seconds` is what the client has for all of it, counted by the partner."""
        self._partner = partner
        self._client = client
        self._dialogue = dialogue
        self._seconds = seconds

    def begin(self) -> None:
        """Greet."""
        # A client that does not read our answers is not read either, as in a relay.
        self._client.peer = self._client
        self._client.say(self._dialogue.greeting())

    def on_event(self, events: int) -> None:
        """Answer what the client says."""
        client = self._client
        if events & client.events & WRITE:
            client.drain()
        if client.fd < 0 or client.backlog:
            return
        try:
            data = client.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._partner.lose(CLIENT_LEFT, error.strerror or str(error))
            return
        if data:
            client.received += len(data)
            self._follow(self._dialogue.receive(data))
        else:
            self._partner.lose(CLIENT_LEFT, "connection closed by the client")

    def expired(self) -> None:
        """Close, because the client takes too long."""
        self._follow(evolve(self._dialogue.late(), reason=f"no STARTTLS within {self._seconds:g} s"), LOGIN_LATE)

    def _follow(self, step: Step, ending: Ending = MISBEHAVED) -> None:
        if step.reply:
            self._client.say(step.reply)
        if self._client.fd < 0:
            return
        if step.next is Next.CLOSE:
            if step.cause is Cause.GOODBYE:
                self._partner.part(GOODBYE, "")
            else:
                self._partner.part(INJECTED if step.is_injection else ending, step.reason)
        elif step.next is Next.HAND_OVER:
            self._partner.taken_over(step)
        elif step.next is Next.START_TLS:
            if self._client.backlog:
                # So few bytes have room unless the client has stopped to read; then it will not shake hands either.
                self._partner.lose(CLIENT_LEFT, "the client does not read")
            else:
                # TLS gets a stream of its own: nobody closes this one, and it would keep itself and the session alive.
                self._client.peer = None
                self._partner.tls_wanted()

    def broke(self) -> None:
        """Hear of a bug of ours: the session ends."""
        self._client.broke()
