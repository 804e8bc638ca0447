"""The stage before TLS: a `Dialogue` on a socket."""

from __future__ import annotations

from typing import Protocol

from attrs import evolve

from mailproxy.mail.dialogue import Dialogue
from mailproxy.mail.step import Cause, Next, Step
from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import CLIENT_LEFT, GOODBYE, INJECTED, LOGIN_LATE, MISBEHAVED, Ending
from mailproxy.transport.poller import WRITE, Ready

# For one read; the poller calls again if there is more.
CHUNK_BYTES = 4096


class Speaking(Host, Protocol):
    """A session whose client speaks with mailproxy before TLS."""

    def begin_handshake(self) -> None:
        """Shake hands: the client's next byte belongs to TLS."""

    def taken_over(self, step: Step) -> None:
        """Dial a backend, which continues with the client without TLS."""


class Conversation(Stage):
    """One client's dialogue."""

    __slots__ = ("_dialogue",)

    _session: Speaking

    def __init__(self, session: Speaking, dialogue: Dialogue) -> None:
        super().__init__(session)
        self._dialogue = dialogue

    def begin(self) -> None:
        """Greet."""
        client = self._session.client
        self._session.wait(self._session.terms.timeout.login)
        # If a client does not read our answers, we do not read from it, as in the relay.
        client.peer = client
        client.put_own(self._dialogue.greeting())

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    @property
    def farewell(self) -> bytes:
        """The goodbye of the protocol."""
        return self._session.terms.goodbye

    def _on_event(self, events: int) -> None:
        """Answer the client's commands."""
        session = self._session
        client = session.client
        if events & client.events & WRITE:
            client.drain()
        if client.fd < 0 or client.backlog:
            return
        try:
            data = client.socket.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            session.lose(CLIENT_LEFT, error.strerror or str(error))
            return
        if data:
            client.received += len(data)
            self._follow(self._dialogue.receive(data))
        else:
            session.lose(CLIENT_LEFT, "connection closed by the client")

    def expired(self) -> None:
        """End: the client takes too long."""
        seconds = self._session.terms.timeout.login
        self._follow(evolve(self._dialogue.late(), reason=f"no STARTTLS within {seconds:g} s"), LOGIN_LATE)

    def _follow(self, step: Step, ending: Ending = MISBEHAVED) -> None:
        session = self._session
        client = session.client
        if step.reply:
            client.put_own(step.reply)
        if client.fd < 0:
            return
        if step.next is Next.CLOSE:
            if step.cause is Cause.GOODBYE:
                session.part(GOODBYE, "")
            else:
                session.part(INJECTED if step.is_injection else ending, step.reason)
        elif step.next is Next.HAND_OVER:
            session.taken_over(step)
        elif step.next is Next.START_TLS:
            if client.backlog:
                # So few bytes fit unless the client has stopped reading; then it will not do a handshake either.
                session.lose(CLIENT_LEFT, "the client does not read")
            else:
                # TLS gets a new stream: this one is never closed, and would keep itself and the session alive.
                client.peer = None
                session.begin_handshake()
