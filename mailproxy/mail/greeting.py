"""Whether the server speaks first, and the reader of a backend's greeting."""

from __future__ import annotations

import re

from attrs import frozen

from mailproxy.mail.backend.talk import BackendRefused, Talk, TalkReader
from mailproxy.mail.protocol import Protocol
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.refusal import Refusal, read_refusal


def server_speaks_first(protocol: str) -> bool:
    """Return whether the server greets in this protocol (a frontend's ``protocol`` word)."""
    return protocol in PROTOCOLS


def first_line(protocol: str) -> re.Pattern[bytes]:
    """Return `Protocol.first_line`; KeyError for a protocol whose server does not greet."""
    return PROTOCOLS[protocol].first_line


@frozen
class Prelude:
    """Bytes to send to the backend before the client's; pass the reply to the reader."""

    data: bytes


@frozen
class Greeting:
    """The result of a server's greeting; if it is not accepted, the client has seen nothing of the server."""

    is_accepted: bool
    relay: bytes = b""
    """If accepted: the first bytes for the client."""
    reason: str = ""
    """If not: the reason, for the log."""
    refusal: Refusal | None = None
    """If not: the server's refusal of the client; None if it has sent none in the protocol's words."""
    received: bytes = b""
    """If not: the server's bytes so far."""


class GreetingReader:
    """
    Reads a server's bytes until it accepts a client (mutable; one per connection).

    If the client has no greeting yet, the greeting `relays`: it goes to the client unchanged, once its first line is
    complete. A client that comes from a `Dialogue` has a greeting already, so the server's is discarded. Only
    ManageSieve's is relayed after TLS, without STARTTLS in it, because the client waits for a listing then (RFC 5804
    section 2.2). If the client has already sent EHLO, it is sent to the server as `prelude`, and that reply is
    discarded, too.
    """

    def __init__(self, protocol: str, *, after_tls: bool, prelude: bytes = b"", relays: bool = False) -> None:
        """Read a new connection; KeyError for a protocol whose server does not greet."""
        definition = PROTOCOLS[protocol]
        self._protocol = protocol
        self._after_tls = after_tls
        self._first_line = definition.first_line if relays else None
        self._reader = TalkReader(_meet(definition, prelude), unasked=definition.sends_unasked)
        self._received = b""

    def receive(self, data: bytes) -> Prelude | Greeting | None:
        """
        Take the server's bytes, in any pieces; return None while there is no result; ValueError after a `Greeting`.

        If the greeting is not relayed, a server that sends more before any command is not accepted, except in IMAP: the
        client would read it as the reply to its first command. Bytes after IMAP's greeting are relayed.
        """
        listener = self._reader
        if listener.is_over:
            raise ValueError("the greeting is over, what follows it is not the reader's")
        self._received += data
        if self._first_line is not None and b"\n" in data and self._first_line.match(self._received):
            listener.is_over = True
            return Greeting(is_accepted=True, relay=self._received)
        try:
            to_send = listener.receive(data)
        except BackendRefused as refused:
            return self.end(str(refused))
        if listener.is_over:
            relay = (listener.result or b"") if self._after_tls else b""
            return Greeting(is_accepted=True, relay=relay + listener.rest)
        if not to_send:
            return None
        self._received = b""
        return Prelude(to_send)

    def end(self, reason: str) -> Greeting:
        """Return the result if no more bytes come, for this reason."""
        self._reader.is_over = True
        return Greeting(
            is_accepted=False,
            reason=reason,
            refusal=read_refusal(self._protocol, self._received),
            received=self._received,
        )


def _meet(protocol: Protocol, prelude: bytes) -> Talk[bytes]:
    relay = yield from protocol.greet()
    if prelude and protocol.introduce is not None:
        yield from protocol.introduce(prelude)
    return relay
