"""The stage of the TLS handshake: from the first byte of TLS to its facts."""

from __future__ import annotations

import socket
from typing import Protocol

from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import (
    CLIENT_LEFT,
    HANDSHAKE_FAILED,
    HANDSHAKE_LATE,
    HANDSHAKE_LEFT,
    INJECTED,
    LOCAL_LEFT,
)
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.openssl import WANT_WRITE, server_name
from mailproxy.transport.poller import READ, WRITE, Ready
from mailproxy.transport.secure_server import SecureServerStream

# The first byte of TLS (RFC 8446 section 5.1).
_HANDSHAKE_RECORD = b"\x16"


class Room(Protocol):
    """A limit on what there may be at once."""

    def join(self) -> None:
        """Count one in."""

    def leave(self) -> None:
        """Count one out."""


class Securing(Host, Protocol):
    """A session whose client must speak TLS."""

    is_local: bool
    """True if a proxy in front of mailproxy has connected for itself."""

    @property
    def handshakes(self) -> Room | None:
        """The limit on TLS handshakes at once, None if there is none."""

    def handshake_done(self, facts: TlsFacts) -> None:
        """Continue with a client on TLS."""


class Handshake(Stage):
    """The handshake of one client. A client that sends nothing costs no TLS state."""

    __slots__ = ("_room", "_stream")

    _session: Securing

    def __init__(self, session: Securing) -> None:
        self._session = session  # as Stage does; super() takes longer than all this
        self._stream: SecureServerStream | None = None
        self._room: Room | None = None

    def begin(self) -> None:
        """Wait for the client's first byte of TLS."""
        self._session.wait(self._session.terms.timeout.handshake)

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    def _on_event(self, events: int) -> None:
        stream = self._stream
        if stream is None:
            session, tls = self._session, self._session.terms.tls
            assert tls is not None
            if session.terms.dialogue is not None and not self._begins_tls():
                return
            stream = self._stream = SecureServerStream(session.client.socket, session.poller, session.client.owner, tls)
            stream.events = READ
            session.client = stream
            # A client that has sent nothing yet takes no room: it would keep others out at no cost.
            room = session.handshakes
            if room is not None:
                self._room = room
                room.join()
        try:
            waits_for = stream.handshake()
        except HandshakeError as error:
            self._failed(error)
            return
        if not waits_for:
            self._stream = None
            tls = self._session.terms.tls
            assert tls is not None
            self._session.handshake_done(tls.facts(stream.ssl))
            return
        wanted = WRITE if waits_for == WANT_WRITE else READ
        if wanted != stream.events:
            stream.events = wanted
            self._session.poller.change(stream.fd, wanted)

    def _begins_tls(self) -> bool:
        """Make sure that TLS follows STARTTLS: an attacker on the path has inserted any other bytes."""
        session = self._session
        try:
            first = session.client.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            session.lose(CLIENT_LEFT, error.strerror or str(error))
            return False
        if first in (b"", _HANDSHAKE_RECORD):
            return True
        session.part(INJECTED, "bytes after STARTTLS that are not TLS")
        return False

    def _failed(self, error: HandshakeError) -> None:
        session = self._session
        left = LOCAL_LEFT if session.is_local else HANDSHAKE_LEFT
        ending = left if error.is_theirs else HANDSHAKE_FAILED
        session.part(ending, f"TLS handshake: {error}", error.presented, kind=error.kind, sni=self._sni())

    def expired(self) -> None:
        """End: the handshake takes too long."""
        seconds = self._session.terms.timeout.handshake
        reason = f"TLS handshake: not done within {seconds:g} s"
        self._session.part(HANDSHAKE_LATE, reason, kind="late", sni=self._sni())

    def _sni(self) -> str | None:
        """Return the server name that the client has asked for, as far as OpenSSL has read it."""
        stream = self._stream
        return None if stream is None or stream.ssl is None else server_name(stream.ssl)

    def leave(self) -> None:
        """
        Go back to the plain socket if TLS has failed and sent its alert, so that the socket can be closed politely.
        """
        if self._stream is not None:
            self._session.client = self._stream.without_tls()
            self._stream = None
        if self._room is not None:
            self._room.leave()
            self._room = None
