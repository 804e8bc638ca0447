"""
The PROXY header that a client's connection begins with, read from a socket that OpenSSL may read on from.

The bytes are judged by the same `Decoder` and `AcceptPolicy` as those of the endpoint wrappers; only here the socket is
asked for no more than is certain to be the header's.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from mailproxy.proxyprotocol import AcceptPolicy, Decoder, Expectation, Header, ProxyProtocolError, TruncatedHeader
from mailproxy.proxyprotocol.v1 import SIGNATURE as SIGNATURE_V1
from mailproxy.proxyprotocol.v2 import SIGNATURE as SIGNATURE_V2
from mailproxy.session.termination import HEADER_CUT, HEADER_LATE, HEADER_REFUSED, Ending


class Announced(Protocol):
    """Whom an arrival tells what came."""

    def announced(self, header: Header | None) -> None:
        """Go on with the header, or without one where that is allowed."""

    def part(self, ending: Ending, reason: str) -> None:
        """End: there is no acceptable header."""

    def wait(self, seconds: float, late: Callable[[], None]) -> None:
        """Call this after so many seconds, unless there is something else to wait for by then."""

    def broke(self) -> None:
        """Hear of a bug of ours: give up."""


class Arrival:
    """The wait for the header of one connection."""

    __slots__ = ("_decoder", "_may_lack_header", "_optional_seconds", "_owner", "_socket", "_timeout")

    def __init__(
        self,
        owner: Announced,
        sock: socket.SocketType,
        policy: AcceptPolicy,
        expectation: Expectation,
        optional_seconds: float,
    ) -> None:
        """Get ready; where the header is optional, a client that is silent for `optional_seconds` has none."""
        self._owner = owner
        self._socket = sock
        self._decoder = Decoder(policy.strictness)
        self._timeout = policy.timeout
        self._may_lack_header = expectation is Expectation.MAYBE
        self._optional_seconds = optional_seconds

    def begin(self) -> None:
        """Start the clock."""
        self._owner.wait(self._optional_seconds if self._may_lack_header else self._timeout, self.expired)

    def on_event(self, events: int) -> None:
        """Read what has come."""
        try:
            header = self._read()
        except BlockingIOError:
            return
        except ProxyProtocolError as error:
            self._owner.part(
                HEADER_CUT if isinstance(error, TruncatedHeader) else HEADER_REFUSED, f"PROXY header: {error}"
            )
        except OSError as error:
            self._owner.part(HEADER_CUT, f"PROXY header: {error.strerror}")
        else:
            self._owner.announced(header)

    def _read(self) -> Header | None:
        """Return the header, or None if there is none where that is allowed."""
        if self._may_lack_header:
            if not may_begin_header(self._socket):
                return None
            self._may_lack_header = False
            self._owner.wait(self._timeout, self.expired)
        decoder = self._decoder
        while True:
            data = self._socket.recv(decoder.wanted)
            if not data:
                decoder.end()
            header = decoder.feed(data)
            if header is not None:
                return header

    def broke(self) -> None:
        """Hear of a bug of ours while handling an event: the owner's session ends."""
        self._owner.broke()

    def expired(self) -> None:
        """Give up, unless it is allowed that there is none."""
        if self._may_lack_header:
            self._owner.announced(None)
        else:
            reason = f"PROXY header: {self._decoder.received} bytes of it within {self._timeout:g} s"
            self._owner.part(HEADER_LATE, reason)


def may_begin_header(sock: socket.SocketType) -> bool:
    """
    Tell whether what waits in a socket, and stays there, can be the beginning of a header.

    BlockingIOError if nothing waits, OSError if the socket is broken.
    """
    waiting = _look(sock)
    return bool(waiting) and (SIGNATURE_V1.startswith(waiting[: len(SIGNATURE_V1)]) or SIGNATURE_V2.startswith(waiting))


def begins_header(sock: socket.SocketType) -> bool | None:
    """
    Tell whether what waits in a socket, and stays there, has the signature of a header; None if it has a part of it.

    BlockingIOError if nothing waits, OSError if the socket is broken.
    """
    waiting = _look(sock)
    if waiting.startswith((SIGNATURE_V1, SIGNATURE_V2)):
        return True
    return None if waiting and (SIGNATURE_V1.startswith(waiting) or SIGNATURE_V2.startswith(waiting)) else False


def _look(sock: socket.SocketType) -> bytes:
    return sock.recv(len(SIGNATURE_V2), socket.MSG_PEEK)
