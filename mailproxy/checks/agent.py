"""The check ``agent``: a program beside the server says how it is, in HAProxy's words."""

from __future__ import annotations

from mailproxy.checks.agent_words import read_words
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.visit import Visited

# Far beyond what an agent has to say; more is not read.
LINE_BYTES = 1024

_EXPECTED = "words such as up, down, ready, drain, maint or 75%"


class AgentGuest:
    """Hears an agent's one line (mutable; one per visit)."""

    __slots__ = ("_heard", "_is_closed")

    def __init__(self) -> None:
        self._heard = b""
        self._is_closed = False

    @property
    def done(self) -> bool:
        """True once the line is there, with its line end."""
        return b"\n" in self._heard or len(self._heard) >= LINE_BYTES

    def receive(self, data: bytes) -> bytes:
        """Listen."""
        self._heard += data
        return b""

    def end(self) -> None:
        """The agent has closed the connection, which ends the line, too."""
        self._is_closed = True

    def outcome(self, visited: Visited) -> Outcome:
        """Tell what the agent says."""
        if not self.done and not self._is_closed:
            return Outcome(False, f"agent: expected a line of words, came {visited.failure}", visited.seconds)
        line = self._heard[:LINE_BYTES].split(b"\n", 1)[0]
        reply = read_words(line)
        if reply.says_nothing:
            came = " ".join(reply.unknown)[:100] or visited.failure or "an empty line"
            return Outcome(False, f"agent: expected {_EXPECTED}, came {came}", visited.seconds)
        passed_over = f" (no words: {' '.join(reply.unknown)[:100]})" if reply.unknown else ""
        return Outcome(not reply.is_down, f"agent: {reply}{passed_over}", visited.seconds, agent=reply)
