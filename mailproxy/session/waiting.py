"""
The stage in which a client waits for a server.

The `Dial` finds the server. What the client says meanwhile stays in its socket.
"""

from __future__ import annotations

import socket
from typing import Protocol

from mailproxy.announce.backend_tlvs import NO_WORDS
from mailproxy.announce.client_tls import OFFLOADED
from mailproxy.backend.backend import Backend
from mailproxy.mail.greeting import GreetingReader
from mailproxy.mail.step import Step
from mailproxy.session.dial import Dial
from mailproxy.session.record import LoggedSession
from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import CLIENT_LEFT, Ending, Letter
from mailproxy.session.words import header_words
from mailproxy.transport.poller import END, GONE, Ready
from mailproxy.transport.stream import Stream

# A proxy that connects for itself, only to see whether we are there, has left after these seconds, and no server is
# needed. One that waits for a greeting may not have much longer.
LOCAL_SECONDS = 0.1


class Seeking(Host, LoggedSession, Protocol):
    """A session that needs a server."""

    def dropped_ssl(self, backend: Backend) -> None:
        """Tell, once, that the backend does not learn what a header said of the client's TLS."""

    def dialled(self, stream: Stream, greeting: int, pending: bytes) -> None:
        """Join client and server: `greeting` bytes are in the shared buffer, and `pending` is for the server."""

    def no_server(self, ending: Ending, reason: str, words: bytes) -> None:
        """Refuse the client, in a server's words or, if there are none, in ours."""


class Waiting(Stage):
    """A client without a server, or with one that has not greeted yet."""

    __slots__ = ("_dial", "_handed_over")

    _session: Seeking

    def __init__(self, session: Seeking, handed_over: Step | None = None) -> None:
        """Make ready to wait; `handed_over` is the end of a dialogue that a server goes on with in clear."""
        super().__init__(session)
        self._dial: Dial | None = None
        self._handed_over = handed_over

    def begin(self) -> None:
        """Dial: at once for a client, and later for a proxy that has connected for itself, if it stays."""
        if self._session.is_local and self._handed_over is None:
            self._session.wait(LOCAL_SECONDS)
        else:
            self._begin_dial()

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_early_bytes

    def expired(self) -> None:
        """Dial, or tell the dial that it takes too long."""
        if self._dial is None:
            self._begin_dial()
        else:
            self._dial.expired()

    @property
    def letter(self) -> Letter:
        """HAProxy's letter: for the queue, for the attempts, or for the time before."""
        if self._dial is None:
            return "R"
        return "Q" if self._dial.is_queued else "C"

    @property
    def farewell(self) -> bytes:
        """The refusal of the protocol, once the client waits for a server's greeting."""
        return b"" if self._dial is None else self._session.terms.refusal

    def _begin_dial(self) -> None:
        session = self._session
        terms = session.terms
        backend = session.backend = terms.backend
        self._dial = Dial(
            self,
            backend,
            self._header(backend),
            session.poller,
            key=backend.key(session.source),
            source=session.source,
            server_name=None if session.facts is None else session.facts.server_name,
            speaks_first=terms.server_speaks_first,
            make_reader=None if terms.dialogue is None else self._make_reader,
        )
        self._dial.begin()

    def _header(self, backend: Backend) -> bytes:
        """Return the PROXY header for the server, and note what is left out of it."""
        session = self._session
        unique_id = session.id.encode() if backend.sends_unique_id else b""
        if session.is_local:
            # Passed on as what it is. What the proxy says of itself is not about a client, and ends here.
            built = backend.header.build(None, None, session.facts, None, unique_id)
            session.left_out = built.left_out
            return built.data
        facts = OFFLOADED if session.is_offloaded else session.facts
        words = header_words(session) if backend.header.has_formats else NO_WORDS
        built = backend.header.build(session.source, session.destination, facts, session.header, unique_id, words)
        session.left_out = built.left_out
        if session.header is not None and backend.header.drops_ssl(session.header):
            session.left_out += ('SSL that came in: proxy-v2-pass-tlvs has no "ssl"',)
            session.dropped_ssl(backend)
        return built.data

    def _make_reader(self) -> GreetingReader:
        """Return what reads a server's greeting to a client that was greeted already."""
        session = self._session
        prelude = b"" if self._handed_over is None else self._handed_over.prelude
        return GreetingReader(session.terms.protocol, after_tls=session.facts is not None, prelude=prelude)

    def _on_early_bytes(self, events: int) -> None:
        """
        Leave what the client says before the server has greeted where it is, unless the client has gone.

        From the first bytes on only the client's end is watched for: TLS may say goodbye in one event, and hang up in
        the next.
        """
        session = self._session
        client = session.client
        if events & GONE:
            try:
                client.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return  # another connection has gone, on a descriptor that was reused since
            except OSError:
                pass  # whatever the reason
            session.lose(CLIENT_LEFT, "connection closed by the client")
        elif not events & END:
            session.poller.change(client.fd, END)
            client.events = END
        elif self._handed_over is None and client.has_left():
            session.lose(CLIENT_LEFT, "connection closed by the client")
        else:
            session.poller.pause(client.fd)
            client.events = 0

    def leave(self) -> None:
        """End the dial, and note how far it came."""
        dial = self._dial
        if dial is not None:
            self._dial = None
            self._session.server = dial.server
            self._session.retries = dial.retries
            dial.cancel()

    # For the dial.

    def wait(self, seconds: float) -> None:
        """Call `Dial.expired` after seconds, instead of when it would be called before."""
        self._session.wait(seconds)

    def dialled(self, stream: Stream, greeting: int) -> None:
        """Join client and server: `greeting` bytes of the server are in the shared buffer."""
        self._session.dialled(stream, greeting, b"" if self._handed_over is None else self._handed_over.pending)

    def no_server(self, ending: Ending, reason: str, words: bytes = b"") -> None:
        """Refuse the client: no server takes it."""
        self.leave()
        self._session.no_server(ending, reason, words)
