"""Asks a backend for its capabilities."""

from mailproxy.mail.backend.talk import BackendRefused, Misunderstood, Talk, TalkReader
from mailproxy.mail.protocol import Protocol
from mailproxy.mail.protocols import PROTOCOLS


class CapabilityProbe:
    """
    The dialogue that asks a backend for its capabilities and says goodbye (mutable; one per connection).

    Pass it the received bytes, send what it returns, and close when it is `done`; the caller limits the time. To learn
    for clients on TLS, connect with a PROXY header that reports TLS, since backends offer more then.
    """

    def __init__(self, protocol: str, host: bytes) -> None:
        """Begin a new connection; `host` is our own host name. KeyError for a protocol without a greeting."""
        definition = PROTOCOLS[protocol]
        self._offer = definition.offer
        self._reader = TalkReader(self._talk(definition, host), unasked=True)
        self.first_bytes = b""
        """The server's first bytes."""
        self.capabilities: tuple[bytes, ...] | None = None
        """The backend's capabilities; None while they are unknown."""
        self.failure = ""
        """If done without capabilities: the reason, for the log."""
        self.misunderstood: bytes | None = None
        """The error with which the server answered the PROXY header, if it did; then its other lines are useless."""

    @property
    def done(self) -> bool:
        """True when the dialogue is over."""
        return self._reader.is_over

    @property
    def still_offers_starttls(self) -> bool:
        """True if the listing has STARTTLS; after a header that reports TLS, the backend's settings are wrong."""
        return self.capabilities is not None and self._offer.offers_starttls(self.capabilities)

    def receive(self, data: bytes) -> bytes:
        """Take the backend's bytes, in any pieces; return what to send, which is nothing once it is done."""
        if self.done:
            return b""
        self.first_bytes = self.first_bytes or data[:16]
        try:
            return self._reader.receive(data)
        except Misunderstood as error:
            self.capabilities = None
            self.misunderstood = error.received
            self._give_up(str(error))
            return b""
        except BackendRefused as refused:
            self._give_up(str(refused))
            return b""

    def end(self) -> None:
        """The connection has ended; after the list, that is a valid goodbye."""
        self._give_up("closed before it listed its capabilities")

    def _give_up(self, failure: str) -> None:
        self._reader.is_over = True
        if self.capabilities is None:
            self.failure = self.failure or failure

    def _talk(self, protocol: Protocol, host: bytes) -> Talk[None]:
        listed = yield from protocol.learn(host)
        # Capabilities outside of the protocol's syntax are never announced, and may be new each time.
        self.capabilities = tuple(capability for capability in listed if self._offer.name(capability) is not None)
        yield from protocol.part()
