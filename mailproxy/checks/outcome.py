"""What came of a check."""

from __future__ import annotations

from attrs import frozen

from mailproxy.checks.agent_words import AgentReply


@frozen
class Outcome:
    """What one check found out about a server."""

    ok: bool
    """Whether it counts as passed. An account or a key that was refused does: the server is there to refuse it."""
    reason: str
    """For the log: what the server showed; if it did not pass, what was expected and what came. Never a secret."""
    seconds: float
    """How long the check took."""
    is_misconfigured: bool = False
    """True if what was refused is the check's account or key: the admin has to set that right."""
    ignores_header: bool = False
    """True if the server has taken the PROXY header for commands."""
    agent: AgentReply | None = None
    """What the server's agent wants."""
