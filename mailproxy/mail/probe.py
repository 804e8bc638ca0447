"""Learning what a backend offers."""

from mailproxy.mail.backend.talk import BackendRefused, Misunderstood, Talk, TalkReader
from mailproxy.mail.protocol import Protocol
from mailproxy.mail.protocols import PROTOCOLS


class CapabilityProbe:
    """
    One connection to a backend that asks what it offers, and leaves politely (mutable; one per connection).

    Give it what arrives, send what it returns, and close when it is `done`; how long that may take is for the caller.
    Who learns for clients on TLS connects with a PROXY header that says TLS, since backends offer more then.
    """

    def __init__(self, protocol: str, host: bytes) -> None:
        """Begin with a new connection; `host` is how we call ourselves. KeyError for a protocol without a greeting."""
        spoken = PROTOCOLS[protocol]
        self._offer = spoken.offer
        self._reader = TalkReader(self._talk(spoken, host), unasked=True)
        self.said = b""
        """The first bytes that the server has said."""
        self.capabilities: tuple[bytes, ...] | None = None
        """What the backend listed; None while that is not known."""
        self.failure = ""
        """When done without capabilities: why, for the log."""
        self.misunderstood: bytes | None = None
        """The error by which the server answered the PROXY header, if it did: then it has said nothing of use."""

    @property
    def done(self) -> bool:
        """True when nothing more is to be expected."""
        return self._reader.is_over

    @property
    def still_offers_starttls(self) -> bool:
        """True if the listing has STARTTLS; behind a header that says TLS, that is a backend to be set up better."""
        return self.capabilities is not None and self._offer.offers_starttls(self.capabilities)

    def receive(self, data: bytes) -> bytes:
        """Take the backend's bytes, in any pieces; return what to send; nothing any more once it is done."""
        if self.done:
            return b""
        self.said = self.said or data[:16]
        try:
            return self._reader.receive(data)
        except Misunderstood as error:
            self.capabilities = None
            self.misunderstood = error.came
            self._give_up(str(error))
            return b""
        except BackendRefused as refused:
            self._give_up(str(refused))
            return b""

    def end(self) -> None:
        """The connection has ended; after the list that is a goodbye."""
        self._give_up("closed before it listed its capabilities")

    def _give_up(self, failure: str) -> None:
        self._reader.is_over = True
        if self.capabilities is None:
            self.failure = self.failure or failure

    def _talk(self, protocol: Protocol, host: bytes) -> Talk[None]:
        listed = yield from protocol.learn(host)
        # What is none by the protocol's syntax is never announced, and may be new each time.
        self.capabilities = tuple(capability for capability in listed if self._offer.name(capability) is not None)
        yield from protocol.part()
