"""
The words of HAProxy's agent checks (its documentation of ``agent-check``), as a pure function.

An agent answers with one line of words, in any order and case, separated by spaces, tabs and commas. After a ``#``
comes the reason as free text::

    ready up 75% maxconn:30
    down#disk full
    drain, weight:10
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from attrs import frozen

AdminWord: TypeAlias = Literal["ready", "drain", "maint"]
HealthWord: TypeAlias = Literal["up", "down", "fail", "stopped"]

_BETWEEN = re.compile(r"[ \t,\r\n]+")
_ADMIN: dict[str, AdminWord] = {"ready": "ready", "drain": "drain", "maint": "maint"}
_HEALTH: dict[str, HealthWord] = {"up": "up", "down": "down", "fail": "fail", "stopped": "stopped"}

# More digits than any sensible number needs: longer ones are unknown words.
_WEIGHT = re.compile(r"(?:weight:)?([0-9]{1,5})%")
_ABSOLUTE_WEIGHT = re.compile(r"weight:([0-9]{1,5})")
_MAXCONN = re.compile(r"maxconn:([0-9]{1,9})")

_SHOWN = 100


@frozen
class AgentReply:
    """An agent's reply; None for settings that it does not mention."""

    admin: AdminWord | None = None
    """The administrative state."""
    health: HealthWord | None = None
    """The server's health; all words but ``up`` mean that it does not work."""
    percent: int | None = None
    """The weight in percent of the configured one."""
    weight: int | None = None
    """The weight itself."""
    maxconn: int | None = None
    """The most sessions at once."""
    reason: str = ""
    """The reason for the log, printable ASCII."""
    unknown: tuple[str, ...] = ()
    """Unknown words, for the log, printable ASCII."""

    @property
    def is_down(self) -> bool:
        """True if the agent says that the server does not work."""
        return self.health not in (None, "up")

    @property
    def is_empty(self) -> bool:
        """True if it has no known word."""
        return (self.admin, self.health, self.percent, self.weight, self.maxconn) == (None,) * 5

    def __str__(self) -> str:
        """Write it as an agent would."""
        words = (
            self.admin,
            self.health,
            None if self.percent is None else f"{self.percent}%",
            None if self.weight is None else f"weight:{self.weight}",
            None if self.maxconn is None else f"maxconn:{self.maxconn}",
        )
        text = " ".join(word for word in words if word is not None)
        return f"{text} #{self.reason}" if self.reason else text


def read_words(line: bytes) -> AgentReply:
    """Read an agent's line; of several words for the same setting the last counts; unknown words are ignored."""
    text, _, reason = line.decode("latin-1").partition("#")
    admin: AdminWord | None = None
    health: HealthWord | None = None
    percent = weight = maxconn = None
    unknown = []
    for word in filter(None, _BETWEEN.split(text.lower())):
        if word in _ADMIN:
            admin = _ADMIN[word]
        elif word in _HEALTH:
            health = _HEALTH[word]
        elif match := _WEIGHT.fullmatch(word):
            percent, weight = int(match[1]), None
        elif match := _ABSOLUTE_WEIGHT.fullmatch(word):
            percent, weight = None, int(match[1])
        elif match := _MAXCONN.fullmatch(word):
            maxconn = int(match[1])
        else:
            unknown.append(_printable(word))
    return AgentReply(admin, health, percent, weight, maxconn, _printable(reason.strip()), tuple(unknown))


def _printable(text: str) -> str:
    return text[:_SHOWN].encode("unicode_escape").decode("ascii")
