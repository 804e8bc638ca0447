"""
The stage of the PROXY header, read from a socket that OpenSSL may read on from.

The `Decoder` and the `AcceptPolicy` are those of the endpoint wrappers, but this stage reads only bytes that certainly
belong to the header.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from mailproxy.proxyprotocol import (
    AcceptPolicy,
    Decoder,
    Header,
    HeaderRefused,
    HeaderTooLarge,
    MalformedHeader,
    NotProxyProtocol,
    ProxyProtocolError,
    TruncatedHeader,
)
from mailproxy.proxyprotocol.v1 import SIGNATURE as SIGNATURE_V1
from mailproxy.proxyprotocol.v2 import SIGNATURE as SIGNATURE_V2
from mailproxy.session.stage import Host, Stage
from mailproxy.session.termination import HEADER_CUT, HEADER_LATE, HEADER_REFUSED
from mailproxy.session.terms import Terms
from mailproxy.transport.poller import Ready

_CUT, _LATE = "cut", "late"

UNEXPECTED = "unexpected"
"""The kind of failure of a header from a client that may not send one, or not another one."""

NOT_ALLOWED = "not-allowed"
"""The kind of failure of a client that may not connect at all."""

_KINDS: Mapping[type[ProxyProtocolError], str] = {
    NotProxyProtocol: "not-proxy",
    MalformedHeader: "malformed",
    TruncatedHeader: _CUT,
    HeaderTooLarge: "too-large",
    HeaderRefused: "strictness",
}

KINDS = (*_KINDS.values(), _LATE, UNEXPECTED, NOT_ALLOWED)
"""The kinds of failures of headers, to count each."""


class Connected(Protocol):
    """A session, with the address that its connection comes from."""

    terms: Terms

    @property
    def peer_host(self) -> IPv4Address | IPv6Address | None:
        """The address that the connection comes from, None for a UNIX socket."""


class Announced(Host, Protocol):
    """A session whose client must or may send a header."""

    def announced(self, header: Header | None) -> None:
        """Continue with the header, or without one if that is allowed."""


class Arrival(Stage):
    """The wait for the header of one connection."""

    __slots__ = ("_decoder", "_may_lack_header")

    _session: Announced

    def __init__(self, session: Announced, policy: AcceptPolicy, *, may_lack_header: bool) -> None:
        """If the client may lack the header, silence for `proxy-header-optional` means that it has none."""
        super().__init__(session)
        self._decoder = Decoder(policy.strictness)
        self._may_lack_header = may_lack_header

    def begin(self) -> None:
        """Wait for the header, or for other bytes or silence if it may be lacking."""
        timeout = self._session.terms.timeout
        self._session.wait(timeout.proxy_header_optional if self._may_lack_header else timeout.proxy_header)

    @property
    def ready(self) -> Ready:
        """What the poller calls with the events of the client's socket."""
        return self._on_event

    def _on_event(self, events: int) -> None:
        try:
            header = self._read()
        except BlockingIOError:
            return
        except ProxyProtocolError as error:
            ending = HEADER_CUT if isinstance(error, TruncatedHeader) else HEADER_REFUSED
            self._session.part(ending, f"PROXY header: {error}", kind=_KINDS[type(error)])
        except OSError as error:
            self._session.part(HEADER_CUT, f"PROXY header: {error.strerror}", kind=_CUT)
        else:
            self._session.announced(header)

    def _read(self) -> Header | None:
        """Return the header, or None if there is none where that is allowed."""
        session, sock = self._session, self._session.client.socket
        if self._may_lack_header:
            if not _may_begin_header(sock):
                return None
            self._may_lack_header = False
            session.wait(session.terms.timeout.proxy_header)
        decoder = self._decoder
        while True:
            data = sock.recv(decoder.wanted)
            if not data:
                decoder.end()
            header = decoder.feed(data)
            if header is not None:
                return header

    def expired(self) -> None:
        """End, unless the header may be lacking."""
        session = self._session
        if self._may_lack_header:
            session.announced(None)
        else:
            seconds = session.terms.timeout.proxy_header
            reason = f"PROXY header: only {self._decoder.received} bytes within {seconds:g} s"
            session.part(HEADER_LATE, reason, kind=_LATE)


def not_accepted(session: Connected) -> str:
    """Say, for the log, that the configuration does not name a client's address among those that send headers."""
    host = session.peer_host
    address = '"unix"' if host is None else f"its address, {host},"
    return f"{address} is not in {session.terms.accept_keys}"


def _may_begin_header(sock: socket.SocketType) -> bool:
    """
    Return whether the bytes that wait in a socket can be the beginning of a header; they stay there.

    BlockingIOError if nothing waits, OSError if the socket is broken.
    """
    waiting = sock.recv(len(SIGNATURE_V2), socket.MSG_PEEK)
    return bool(waiting) and (SIGNATURE_V1.startswith(waiting[: len(SIGNATURE_V1)]) or SIGNATURE_V2.startswith(waiting))
