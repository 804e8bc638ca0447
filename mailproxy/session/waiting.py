"""
The stage in which a client waits for a server.

The `Dial` finds the server. The client's bytes stay in its socket meanwhile.
"""

from __future__ import annotations

from typing import Protocol

from mailproxy.announce.backend_tlvs import NO_WORDS
from mailproxy.announce.client_tls import OFFLOADED
from mailproxy.announce.left_out import LeftOut
from mailproxy.backend.backend import Backend
from mailproxy.mail.greeting import GreetingReader
from mailproxy.mail.step import Step
from mailproxy.rules.decision import Decision
from mailproxy.session.dial import Dial
from mailproxy.session.early import leave_early_bytes
from mailproxy.session.record import LoggedSession
from mailproxy.session.ruling import chosen_backend
from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import Ending, Letter
from mailproxy.session.words import header_words
from mailproxy.transport.poller import Ready
from mailproxy.transport.stream import Stream

# A proxy that only checks whether mailproxy accepts has left after these seconds, and needs no server. A proxy that
# waits for a greeting may not wait much longer.
LOCAL_SECONDS = 0.1

_RECEIVED_SSL = LeftOut("SSL that came in", 'proxy-v2-pass-tlvs has no "ssl"')


class Seeking(Host, LoggedSession, Protocol):
    """A session that needs a server."""

    stage: Stage

    def dropped_ssl(self, backend: Backend) -> None:
        """Log, once, that the header does not pass on the received TLS facts."""

    def dialled(self, stream: Stream, greeting: int, pending: bytes) -> None:
        """Join client and server: `greeting` bytes are in the shared buffer, and `pending` is for the server."""

    def no_server(self, ending: Ending, reason: str, words: bytes) -> None:
        """Refuse the client, in a server's words or else in mailproxy's."""


class Waiting(Stage):
    """A client without a server, or with one that has not greeted yet."""

    __slots__ = ("_dial", "_handed_over", "wait")

    _session: Seeking

    def __init__(self, session: Seeking, handed_over: Step | None = None) -> None:
        """`handed_over` is the end of a dialogue that a server continues without TLS."""
        self._session = session  # as Stage does; super() takes longer than all this
        self._dial: Dial | None = None
        self._handed_over = handed_over
        self.wait = session.wait
        """For the dial: call `Dial.expired` after a time; this replaces an earlier `wait`."""

    def begin(self) -> None:
        """Dial: at once for a client, or later for a proxy's own connection, if it is still open."""
        if self._session.stage is not self:
            return  # it has ended in the same batch of events
        if self._session.is_local and self._handed_over is None:
            self._session.wait(LOCAL_SECONDS)
        else:
            self._begin_dial()

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_early_bytes

    def expired(self) -> None:
        """Dial, or report to the dial that its deadline has passed."""
        if self._dial is None:
            self._begin_dial()
        else:
            self._dial.expired()

    @property
    def letter(self) -> Letter:
        """HAProxy's letter: for the queue, the attempts, or the time before."""
        if self._dial is None:
            return "R"
        return "Q" if self._dial.is_queued else "C"

    @property
    def farewell(self) -> bytes:
        """The refusal of the protocol, once the client waits for a server's greeting."""
        return b"" if self._dial is None else self._session.terms.refusal

    def _begin_dial(self) -> None:
        session = self._session
        ruling = session.ruling
        backend = session.backend = session.terms.backend if ruling is None else chosen_backend(session.terms, ruling)
        facts = session.facts
        dial = self._dial = Dial(
            self,
            backend,
            self._header(backend),
            session.poller,
            session.source,
            None if facts is None else facts.server_name,
            None if session.terms.dialogue is None else self._make_reader,
        )
        dial.begin()

    def _header(self, backend: Backend) -> bytes:
        """Return the PROXY header for the server, and note which TLVs are left out."""
        session = self._session
        unique_id = session.id.encode() if backend.sends_unique_id else b""
        if session.is_local:
            # It stays a LOCAL header. The proxy's TLVs describe no client, and are dropped.
            built = backend.header.build(None, None, session.facts, None, unique_id)
            session.left_out = built.left_out
            return built.data
        facts = OFFLOADED if session.terms.offloaders and session.is_offloaded else session.facts
        words = header_words(session) if backend.header.has_formats else NO_WORDS
        ruling = session.ruling
        more = ruling.tlvs if isinstance(ruling, Decision) else ()
        built = backend.header.build(session.source, session.destination, facts, session.header, unique_id, words, more)
        session.left_out = built.left_out
        if session.header is not None and backend.header.drops_ssl(session.header):
            session.left_out += (_RECEIVED_SSL,)
            session.dropped_ssl(backend)
        return built.data

    def _make_reader(self) -> GreetingReader:
        """Return the reader of a server's greeting, for a client that already has one."""
        session = self._session
        prelude = b"" if self._handed_over is None else self._handed_over.prelude
        return GreetingReader(session.terms.protocol, after_tls=session.facts is not None, prelude=prelude)

    def _on_early_bytes(self, events: int) -> None:
        """Leave the client's bytes in the socket until the server has greeted, unless the client has gone."""
        leave_early_bytes(self._session, events, may_close_early=self._handed_over is not None)

    def leave(self) -> None:
        """End the dial, and record its server and retries."""
        dial = self._dial
        if dial is not None:
            self._dial = None
            session = self._session
            tried = dial.tried
            if tried:
                session.server = tried[-1]
                session.retries = len(tried) - 1
            session.queued = dial.queue_seconds
            dial.cancel()

    # For the dial.

    def dialled(self, stream: Stream, greeting: int) -> None:
        """Join client and server: `greeting` bytes of the server are in the shared buffer."""
        self._session.dialled(stream, greeting, b"" if self._handed_over is None else self._handed_over.pending)

    def no_server(self, ending: Ending, reason: str, words: bytes = b"") -> None:
        """Refuse the client: no server takes it."""
        self.leave()
        self._session.no_server(ending, reason, words)
