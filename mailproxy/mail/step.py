"""The result of one piece of a client's bytes before TLS."""

from enum import Enum, auto

from attrs import frozen


class Next(Enum):
    """What happens after the reply is sent."""

    GO_ON = auto()
    """Wait for more bytes from the client."""
    START_TLS = auto()
    """Begin TLS; the client's next byte belongs to it."""
    CLOSE = auto()
    """Close the connection, without further words."""
    HAND_OVER = auto()
    """Dial a backend: from here on it speaks with the client."""


class Cause(Enum):
    """Why a connection is closed before TLS, for the counters."""

    NONE = auto()
    """It is not closed."""
    GOODBYE = auto()
    """The client asked for it."""
    INJECTION = auto()
    """Bytes came after STARTTLS, which an attacker on the path may have inserted (CVE-2011-0411)."""
    BAD_INPUT = auto()
    """The client's bytes are not valid commands."""
    LIMIT = auto()
    """The client sent too many bytes, commands or errors."""


@frozen
class Step:
    """What to send to the client, and what to do next."""

    reply: bytes = b""
    """The bytes to send to the client first."""
    next: Next = Next.GO_ON
    cause: Cause = Cause.NONE
    reason: str = ""
    """For the log: the reason for the close, with the numbers; never the client's words."""
    prelude: bytes = b""
    """With HAND_OVER: the line to send to the backend first; the client has its reply already."""
    pending: bytes = b""
    """With HAND_OVER: the client's bytes, unchanged, from the command on that needs the backend."""

    @property
    def is_injection(self) -> bool:
        """True if the connection is closed because of bytes after STARTTLS."""
        return self.cause is Cause.INJECTION
