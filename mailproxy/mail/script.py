"""One protocol's answers before TLS: a pure function from a client's line to the answer."""

from abc import ABC, abstractmethod
from enum import Enum, auto

from attrs import frozen


class Reaction(Enum):
    """What happens after an answer is sent."""

    GO_ON = auto()
    FAIL = auto()
    """The dialogue continues, but it counts as the client's error."""
    START_TLS = auto()
    SAY_GOODBYE = auto()
    """Closes the connection, as the client asked."""
    REFUSE = auto()
    """Closes the connection: the bytes after the line could not be distinguished from commands."""
    HAND_OVER = auto()


@frozen
class Answer:
    """The answer to a line."""

    reply: bytes
    reaction: Reaction = Reaction.GO_ON
    prelude: bytes | None = None
    """The line to send to a backend before it takes over, from now on; None: unchanged."""
    reason: str = ""
    """With REFUSE: in words, for the log."""


HAND_OVER = Answer(b"", Reaction.HAND_OVER)


class Script(ABC):
    """
    One protocol's answers before TLS, made once and shared by all connections: it has no state.

    It never sends success or continuation of a login, nor any of the client's bytes except its tag.
    """

    greeting: bytes
    """The server's first words."""

    @abstractmethod
    def answer(self, line: bytes) -> Answer:
        """Answer a line of the client's, given without its CRLF; it has neither NUL nor CR nor LF."""

    @abstractmethod
    def closing(self, text: str) -> bytes:
        """Return the last line to a client that is disconnected for its bytes; `text` is ours and plain ASCII."""

    @abstractmethod
    def late(self) -> bytes:
        """Return the last line to a client that took too long."""
