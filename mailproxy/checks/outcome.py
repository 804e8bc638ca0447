"""The outcome of a check."""

from __future__ import annotations

from attrs import frozen

from mailproxy.checks.agent_words import AgentReply


@frozen
class Outcome:
    """The outcome of one check of a server."""

    ok: bool
    """Whether it counts as passed. It does if the account or key was refused: the server works."""
    reason: str
    """For the log: the proof that it works; or, if it did not pass, what was expected and what came. Never a secret."""
    seconds: float
    """How long the check took."""
    is_misconfigured: bool = False
    """True if the server refused the check's account or key: the admin has to correct it."""
    ignores_header: bool = False
    """True if the server has read the PROXY header as commands."""
    agent: AgentReply | None = None
    """The reply of the server's agent."""
