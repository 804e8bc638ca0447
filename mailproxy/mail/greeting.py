"""Whose turn it is when a connection opens, and what a backend's greeting is taken for."""

from __future__ import annotations

import re

from attrs import frozen

from mailproxy.mail.backend.talk import BackendRefused, Talk, TalkReader
from mailproxy.mail.protocol import Protocol
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.refusal import Refusal, read_refusal


def server_speaks_first(protocol: str) -> bool:
    """Tell whether the server greets in this protocol (a frontend's ``protocol`` word)."""
    return protocol in PROTOCOLS


def first_line(protocol: str) -> re.Pattern[bytes]:
    """Return `Protocol.first_line`; KeyError for a protocol whose server does not greet."""
    return PROTOCOLS[protocol].first_line


@frozen
class Prelude:
    """To be sent to the backend, before anything of the client's; its reply is for the reader."""

    data: bytes


@frozen
class Greeting:
    """What came of a server's greeting; while it is not accepted, the client has not noticed the server."""

    is_accepted: bool
    relay: bytes = b""
    """If accepted: what goes to the client before everything else that the server says."""
    reason: str = ""
    """If not: why, for the log."""
    refusal: Refusal | None = None
    """If not: what the server says to the client; None if it says nothing that the protocol has for that."""
    said: bytes = b""
    """If not: what the server has said so far."""


class GreetingReader:
    """
    Reads what a server says before it takes a client (mutable; one per connection).

    Where nothing was said to the client yet, the greeting `relays`: it goes to the client as it is, once its first line
    is whole. A client that comes from a `Dialogue` has been greeted already, so the server's greeting is swallowed.
    Only ManageSieve's is relayed after TLS, without STARTTLS in it, since the client waits for a listing then (RFC 5804
    section 2.2). If the client introduced itself before a server was there, its EHLO is said to the server as
    `prelude`, and that reply is swallowed, too.
    """

    def __init__(self, protocol: str, *, after_tls: bool, prelude: bytes = b"", relays: bool = False) -> None:
        """Listen to a new connection; KeyError for a protocol whose server does not greet."""
        spoken = PROTOCOLS[protocol]
        self._protocol = protocol
        self._after_tls = after_tls
        self._first_line = spoken.first_line if relays else None
        self._reader = TalkReader(_meet(spoken, prelude), unasked=spoken.speaks_unasked)
        self._said = b""

    def receive(self, data: bytes) -> Prelude | Greeting | None:
        """
        Take the server's bytes, in any pieces; None until there is something to do; ValueError after a `Greeting`.

        Where nothing is relayed, a server that speaks before it was asked is not accepted, but for IMAP's: what it says
        would be taken for the reply to the client's first command, and so on. What follows IMAP's greeting is relayed.
        """
        listener = self._reader
        if listener.is_over:
            raise ValueError("the greeting is over, what follows it is not the reader's")
        self._said += data
        if self._first_line is not None and b"\n" in data and self._first_line.match(self._said):
            listener.is_over = True
            return Greeting(is_accepted=True, relay=self._said)
        try:
            to_send = listener.receive(data)
        except BackendRefused as refused:
            return self.end(str(refused))
        if listener.is_over:
            relay = (listener.result or b"") if self._after_tls else b""
            return Greeting(is_accepted=True, relay=relay + listener.rest)
        if not to_send:
            return None
        self._said = b""
        return Prelude(to_send)

    def end(self, reason: str) -> Greeting:
        """Return what is known when no more comes, for this reason."""
        self._reader.is_over = True
        return Greeting(
            is_accepted=False, reason=reason, refusal=read_refusal(self._protocol, self._said), said=self._said
        )


def _meet(protocol: Protocol, prelude: bytes) -> Talk[bytes]:
    relay = yield from protocol.greet()
    if prelude and protocol.introduce is not None:
        yield from protocol.introduce(prelude)
    return relay
