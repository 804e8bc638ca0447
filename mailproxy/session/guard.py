"""
The guard of the first bytes in plaintext: it closes the connection of a client that sends a PROXY header without
permission.

Theory of operation. The guard is not a stage: it gets the events of the client's socket in place of the stage, and the
stages before the client's first byte go on meanwhile. When the first bytes cannot be a header, it leaves the socket to
the stage.
"""

from __future__ import annotations

import socket
from typing import Protocol

from mailproxy.proxyprotocol import Expectation, Header
from mailproxy.proxyprotocol.v1 import SIGNATURE as SIGNATURE_V1
from mailproxy.proxyprotocol.v2 import SIGNATURE as SIGNATURE_V2
from mailproxy.session.arrival import UNEXPECTED, Connected, not_accepted
from mailproxy.session.stage import Host
from mailproxy.session.termination import HEADER_REFUSED
from mailproxy.transport.poller import EDGE, END, GONE, WRITE, Ready


class Guarded(Host, Connected, Protocol):
    """A session with a guard."""

    header: Header | None

    def unguarded(self) -> Ready:
        """Leave the client's socket to the stage; return the stage's `ready`."""


class Guard:
    """Checks a client's first bytes."""

    __slots__ = ("_session",)

    def __init__(self, session: Guarded) -> None:
        self._session = session

    def on_event(self, events: int) -> None:
        """
        Peek at the first bytes, and leave them in the socket.

        They stay there until they are clearly a header or not. No mail client waits for an answer to bytes that a
        header may begin with.
        """
        session = self._session
        client, poller = session.client, session.poller
        if events & client.events & WRITE:
            client.drain()
            if client.fd < 0:
                return
        try:
            claims = _begins_header(client.socket)
        except BlockingIOError:
            return
        except OSError as error:
            # The error has to be reported now: the next read would see an end of stream, not the reset.
            client.fail(error.strerror or str(error))
            return
        if claims is None and not events & (END | GONE):
            if not client.events & EDGE:
                client.events |= EDGE
                poller.change(client.fd, client.events)
            return
        if claims:
            session.part(HEADER_REFUSED, _why_no_header(session), kind=UNEXPECTED)
            return
        if client.events & EDGE:
            client.events &= ~EDGE
            poller.change(client.fd, client.events)
        session.unguarded()(events)

    def broke(self) -> None:
        """End the session because of a bug of ours while handling an event."""
        self._session.broke()


def _why_no_header(session: Guarded) -> str:
    """Say, for the log, why a PROXY header is not accepted."""
    terms = session.terms
    assert terms.accept is not None
    if session.header is not None:
        return "a second PROXY header"
    if terms.accept.expectation(session.peer_host) is Expectation.MAYBE:
        return f"PROXY header after {terms.timeout.proxy_header_optional:g} s without a byte"
    return f"PROXY header, and {not_accepted(session)}"


def _begins_header(sock: socket.SocketType) -> bool | None:
    """
    Return whether the bytes that wait in a socket have the signature of a header; None if they have a part of it.

    BlockingIOError if nothing waits, OSError if the socket is broken.
    """
    waiting = sock.recv(len(SIGNATURE_V2), socket.MSG_PEEK)
    if waiting.startswith((SIGNATURE_V1, SIGNATURE_V2)):
        return True
    return None if waiting and (SIGNATURE_V1.startswith(waiting) or SIGNATURE_V2.startswith(waiting)) else False
