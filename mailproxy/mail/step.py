"""What one portion of a client's bytes leads to before TLS."""

from enum import Enum, auto

from attrs import frozen


class Next(Enum):
    """What the connection does once the reply is on its way."""

    GO_ON = auto()
    """Wait for more of the client."""
    START_TLS = auto()
    """Shake hands; the client's next byte belongs to TLS."""
    CLOSE = auto()
    """Close the connection; nothing more is said."""
    HAND_OVER = auto()
    """Dial a backend: from here on it speaks with the client."""


class Cause(Enum):
    """Why a connection is closed before TLS, for the counters."""

    NONE = auto()
    """It is not."""
    GOODBYE = auto()
    """The client asked for it."""
    INJECTION = auto()
    """Bytes came after STARTTLS that somebody in between could have put there (CVE-2011-0411)."""
    BAD_INPUT = auto()
    """The client's bytes cannot be told apart into commands any more."""
    LIMIT = auto()
    """The client was too long-winded, in bytes, commands or errors."""


@frozen
class Step:
    """What to send to the client, and what to do then."""

    reply: bytes = b""
    """To be sent to the client before anything else is done."""
    next: Next = Next.GO_ON
    cause: Cause = Cause.NONE
    reason: str = ""
    """For the log: why the connection is closed, with the numbers; never a word of the client's."""
    prelude: bytes = b""
    """With HAND_OVER: the line to say to the backend first, whose reply the client has had from us already."""
    pending: bytes = b""
    """With HAND_OVER: the client's bytes from the command on that needs the backend, untouched."""

    @property
    def is_injection(self) -> bool:
        """True when bytes after STARTTLS were the reason to close."""
        return self.cause is Cause.INJECTION
