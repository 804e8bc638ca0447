"""What is said before TLS in one protocol: a pure function from a client's line to the answer."""

from abc import ABC, abstractmethod
from enum import Enum, auto

from attrs import frozen


class Act(Enum):
    """What an answer does beside being said."""

    GO_ON = auto()
    FAIL = auto()
    """Goes on, but counts as the client's error."""
    START_TLS = auto()
    SAY_GOODBYE = auto()
    """Closes the connection, as the client wished."""
    REFUSE = auto()
    """Closes the connection: what follows the line could not be told apart from commands."""
    HAND_OVER = auto()


@frozen
class Answer:
    """What a line is answered with."""

    reply: bytes
    act: Act = Act.GO_ON
    prelude: bytes | None = None
    """What a backend has to be told before it takes over, from now on; None: as before."""
    reason: str = ""
    """With REFUSE: in words, for the log."""


HAND_OVER = Answer(b"", Act.HAND_OVER)


class Script(ABC):
    """
    One protocol's part before TLS, made once and shared by all connections: it remembers nothing.

    What it never says: that a login succeeded, how a login could go on, anything of a client's but its tag.
    """

    greeting: bytes
    """The server's first words."""

    @abstractmethod
    def answer(self, line: bytes) -> Answer:
        """Answer a line of the client's, given without its CRLF; it has neither NUL nor CR nor LF."""

    @abstractmethod
    def closing(self, text: str) -> bytes:
        """Return the last line to a client that is thrown out for what it sent; `text` is ours and plain ASCII."""

    @abstractmethod
    def late(self) -> bytes:
        """Return the last line to a client that did not get on in time."""
