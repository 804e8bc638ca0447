"""
Whether a server is up: HAProxy's counter of checks, and the errors of sessions.

The score goes from 0 to rise + fall - 1, and the server is up from ``rise`` on. A check that fails while the server is
up takes one point off, so ``fall`` of them in a row mark it down, and then the score is 0. A check that passes while
it is down gives one point, so ``rise`` of them in a row mark it up, and then, as after every check that passes while
it is up, the score is full again.
"""

from __future__ import annotations

from typing import Literal, Protocol

from attrs import define, field

InitState = Literal["up", "down", "fully-up", "fully-down"]
OnError = Literal["fastinter", "fail-check", "mark-down"]
Transition = Literal["up", "down"]
Advice = Literal["nothing", "soon", "fail", "down"]
"""The consequence of a session's error: nothing, a check soon, one failed check, or the server is down."""

_ADVICE: dict[OnError, Advice] = {"fastinter": "soon", "fail-check": "fail", "mark-down": "down"}


class Intervals(Protocol):
    """The configured seconds between two checks; None means ``inter``."""

    @property
    def inter(self) -> float:
        """While the server is up and its score is full."""

    @property
    def fastinter(self) -> float | None:
        """While the score is neither full nor 0."""

    @property
    def downinter(self) -> float | None:
        """While the server is down and its score is 0."""


@define(kw_only=True, eq=False)
class Health:
    """The health of one server for one protocol; changes with every check and every observed error."""

    rise: int = 2
    fall: int = 3
    init_state: InitState = "up"
    error_limit: int = 10
    on_error: OnError = "fail-check"
    score: int = field(init=False)
    errors: int = field(default=0, init=False)
    """Errors of sessions in a row, without consequences so far."""
    _sources: set[bytes] = field(factory=set, init=False)
    """The sources of these errors; at most ``error_limit``."""
    checks: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    """The failed checks, and errors that counted as one; ``checks`` includes them."""
    downtimes: int = field(default=0, init=False)
    """The number of times that the server went down."""
    reason: str = field(default="", init=False)
    """The reason of the last check or error."""
    checked: float | None = field(default=None, init=False)
    """The time of the last check, or of an error that counted as one; None if there was none."""
    since: float | None = field(default=None, init=False)
    """The time of the last change between up and down; None if there was none."""

    def __attrs_post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """
        Return to the configured initial state: at start-up, after maintenance, and with a new address (as HAProxy 3.1).
        """
        begin = {"up": self.rise, "fully-up": self.full_score, "down": self.rise - 1, "fully-down": 0}
        self.score = begin[self.init_state]
        self._forget_errors()

    def take_over(self, other: Health) -> None:
        """Take over up or down from the health of the same server with other settings."""
        self.score = self.full_score if other.is_up else 0
        self.checks, self.failures, self.downtimes = other.checks, other.failures, other.downtimes
        self.reason, self.since, self.checked = other.reason, other.since, other.checked

    @property
    def full_score(self) -> int:
        """The score of a server that is up and has failed no recent check."""
        return self.rise + self.fall - 1

    @property
    def is_up(self) -> bool:
        """Whether the server may get sessions."""
        return self.score >= self.rise

    @property
    def counts(self) -> str:
        """The counter in HAProxy's form: of ``fall`` steps if up, of ``rise`` steps if down."""
        if self.is_up:
            return f"{self.score - self.rise + 1}/{self.fall}"
        return f"{self.score}/{self.rise}"

    def interval(self, check: Intervals) -> float:
        """Return the seconds until the next check."""
        if self.score == self.full_score:
            return check.inter
        special = check.downinter if self.score == 0 else check.fastinter
        return check.inter if special is None else special

    def passed(self, now: float, reason: str = "") -> Transition | None:
        """Count a passed check; return "up" if the server comes up."""
        self.checks += 1
        self.checked = now
        self.reason = reason
        was_up = self.is_up
        self.score = min(self.score + 1, self.full_score)
        if not self.is_up:
            return None
        self.score = self.full_score
        if was_up:
            return None
        self.since = now
        return "up"

    def failed(self, now: float, reason: str) -> Transition | None:
        """Count a failed check; return "down" if the server goes down."""
        self.checks += 1
        self.failures += 1
        self.checked = now
        if self.score > self.rise:
            self.score -= 1
            self.reason = reason
            return None
        return self.mark_down(now, reason)

    def mark_down(self, now: float, reason: str) -> Transition | None:
        """Take the server down at any score; return "down" if it was up."""
        self.reason = reason
        was_up = self.is_up
        self.score = 0
        if not was_up:
            return None
        self._forget_errors()
        self.downtimes += 1
        self.since = now
        return "down"

    def become(self, is_up: bool, now: float, reason: str) -> Transition | None:
        """Be up or down as another process has found; "up" or "down" if that is news."""
        if is_up == self.is_up:
            return None
        self.score = self.full_score if is_up else 0
        self.reason = reason
        self.since = now
        self._forget_errors()
        return "up" if is_up else "down"

    def observed_success(self) -> None:
        """Forget the errors of sessions: one was successful."""
        self._forget_errors()

    def observed_error(self, source: bytes | None = None) -> Advice:
        """
        Count an error of a session, and return the consequence.

        Only every ``error_limit`` errors in a row have a consequence. Errors of a server that is down have none: they
        come from sessions that were connecting already. An error that the client may have caused has the client's
        ``source``; of those only one counts for each source in a row.
        """
        if not self.is_up or source in self._sources:
            return "nothing"
        self.errors += 1
        if source is not None:
            self._sources.add(source)
        if self.errors < self.error_limit:
            return "nothing"
        self._forget_errors()
        return _ADVICE[self.on_error]

    def _forget_errors(self) -> None:
        self.errors = 0
        self._sources.clear()
