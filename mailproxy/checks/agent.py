"""The check ``agent``: a program on the server's machine reports its state in the words of HAProxy's agent-check."""

from __future__ import annotations

from mailproxy.checks.agent_words import read_words
from mailproxy.checks.connection import ConnectionEnd
from mailproxy.checks.outcome import Outcome

# Far more than an agent needs; the rest is not read.
LINE_BYTES = 1024

_EXPECTED = "words such as up, down, ready, drain, maint or 75%"


class AgentProbe:
    """Reads an agent's one line (mutable; one per connection)."""

    __slots__ = ("_data", "_is_closed")

    def __init__(self) -> None:
        self._data = b""
        self._is_closed = False

    @property
    def done(self) -> bool:
        """True once the line has its line end."""
        return b"\n" in self._data or len(self._data) >= LINE_BYTES

    def receive(self, data: bytes) -> bytes:
        """Keep the bytes; send nothing."""
        self._data += data
        return b""

    def end(self) -> None:
        """The agent has closed the connection: that ends the line, too."""
        self._is_closed = True

    def outcome(self, end: ConnectionEnd) -> Outcome:
        """Judge the server by the agent's line."""
        if not self.done and not self._is_closed:
            return Outcome(False, f"agent: expected a line of words, got {end.failure}", end.seconds)
        line = self._data[:LINE_BYTES].split(b"\n", 1)[0]
        reply = read_words(line)
        if reply.is_empty:
            received = " ".join(reply.unknown)[:100] or end.failure or "an empty line"
            return Outcome(False, f"agent: expected {_EXPECTED}, got {received}", end.seconds)
        passed_over = f" (unknown words: {' '.join(reply.unknown)[:100]})" if reply.unknown else ""
        return Outcome(not reply.is_down, f"agent: {reply}{passed_over}", end.seconds, agent=reply)
