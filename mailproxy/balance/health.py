"""
Whether a server is up: HAProxy's counter of checks, and the errors that sessions met.

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
"""What follows from an error of a session: nothing, a check soon, a check counts as failed, or the server is down."""

_ADVICE: dict[OnError, Advice] = {"fastinter": "soon", "fail-check": "fail", "mark-down": "down"}


class Intervals(Protocol):
    """The seconds between two checks, as the configuration has them; None stands for ``inter``."""

    @property
    def inter(self) -> float:
        """Between checks of a server whose state is certain and up."""

    @property
    def fastinter(self) -> float | None:
        """While the state may be about to change."""

    @property
    def downinter(self) -> float | None:
        """While the server is down for certain."""


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
    """Errors of sessions in a row, that have not had consequences yet."""
    _sources: set[bytes] = field(factory=set, init=False)
    """Whose errors are among them; no more than ``error_limit``."""
    checks: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    """Checks that failed, and what counted as one; ``checks`` has those too."""
    downtimes: int = field(default=0, init=False)
    """How often the server went down."""
    reason: str = field(default="", init=False)
    """What the last check or error said."""
    checked: float | None = field(default=None, init=False)
    """When the last check, or what counted as one, had its outcome; None if there was none."""
    since: float | None = field(default=None, init=False)
    """When it last went up or down; None if it never did."""

    def __attrs_post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin as the configuration says: at start-up, after maintenance, and with a new address (as HAProxy 3.1)."""
        begin = {"up": self.rise, "fully-up": self.full_score, "down": self.rise - 1, "fully-down": 0}
        self.score = begin[self.init_state]
        self._forget_errors()

    def take_over(self, other: Health) -> None:
        """Go on as up or down, as another one of the same server is that may count differently."""
        self.score = self.full_score if other.is_up else 0
        self.checks, self.failures, self.downtimes = other.checks, other.failures, other.downtimes
        self.reason, self.since, self.checked = other.reason, other.since, other.checked

    @property
    def full_score(self) -> int:
        """The score of a server that is up for certain."""
        return self.rise + self.fall - 1

    @property
    def is_up(self) -> bool:
        """Whether sessions go there."""
        return self.score >= self.rise

    @property
    def counts(self) -> str:
        """Where the counter stands, in HAProxy's form: of ``fall`` steps if up, of ``rise`` steps if down."""
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
        """Count a check that passed; "up" if the server came up by it."""
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
        """Count a check that failed; "down" if the server went down by it."""
        self.checks += 1
        self.failures += 1
        self.checked = now
        if self.score > self.rise:
            self.score -= 1
            self.reason = reason
            return None
        return self.mark_down(now, reason)

    def mark_down(self, now: float, reason: str) -> Transition | None:
        """Take the server down whatever its score; "down" if it was up."""
        self.reason = reason
        was_up = self.is_up
        self.score = 0
        if not was_up:
            return None
        self._forget_errors()
        self.downtimes += 1
        self.since = now
        return "down"

    def observed_success(self) -> None:
        """Forget the errors that sessions met: one came through."""
        self._forget_errors()

    def observed_error(self, source: bytes | None = None) -> Advice:
        """
        Count an error that a session met, and return what has to follow.

        Only each ``error_limit`` errors in a row have consequences. Nothing follows for a server that is down: sessions
        that were under way are no news. An error that the client may have provoked has the client's ``source``, and of
        those only the first in a row counts for each source.
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
