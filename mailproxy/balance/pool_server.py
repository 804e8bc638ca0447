"""One server of a pool: its configuration, later settings, and its current limits."""

from __future__ import annotations

import sys
from typing import Any, Literal, TypeVar

from attrs import define, field

from mailproxy.balance.digest import digest
from mailproxy.balance.health import Health

ServerState = Literal["ready", "drain", "maint"]

Condition = Literal["up", "drain", "down", "no-address", "maint"]
"""How a server is, all in all: the last of these that applies."""

UNLIMITED = sys.maxsize
"""The places of a server without ``maxconn``."""

RAMP_STEPS = 20
"""The number of slowstart's steps, as in HAProxy. The first is taken at once, so that the server gets any sessions."""

_SEVERITY: dict[ServerState, int] = {"ready": 0, "drain": 1, "maint": 2}


@define(kw_only=True, eq=False)
class PoolServer:
    """
    A server for one protocol; only its pool changes it.

    A subclass adds its origin.
    """

    name: str
    backup: bool = False
    weight: int = 100
    """0 to 256, relative to the others; 0: no new sessions."""
    maxconn: int = 0
    """The most sessions at once; 0: no limit."""
    slowstart: float = 0.0
    """The seconds until a server that came back has its full weight and all its places."""
    target: Any = None
    """The address to connect to; None: unknown, so it gets no clients."""
    health: Health | None = None
    """None: it has no checks, and is always up."""
    state: ServerState = "ready"
    """The state that the admin has set."""

    agent_state: ServerState = field(default="ready", init=False)
    """The state that the server's agent has set. The more severe of the two counts."""
    asked_weight: float = field(init=False)
    """The weight that was set last, by configuration, admin or agent."""
    asked_maxconn: int = field(init=False)
    sessions: int = field(default=0, init=False)
    """The picked sessions that have not left."""
    share: float = field(default=0.0, init=False)
    """The current weight; 0: no new sessions."""
    places: int = field(default=UNLIMITED, init=False)
    """The current limit on sessions."""
    seed: int = field(init=False)
    """
    For ``source``: the server's hash, made only from its name. It is odd, so that the product with a client's hash
    keeps all its bits.
    """
    credit: float = field(default=0.0, init=False)
    """For ``roundrobin``: its credit."""
    turn: int = field(default=0, init=False)
    """For ``leastconn``: the number of its last pick."""
    is_running: bool = field(default=False, init=False)
    """Whether it may run sessions, apart from its weight and draining."""
    ramp_began: float | None = field(default=None, init=False)
    """The time at which its slowstart began; None: it is not in slowstart."""
    why: str = field(default="", init=False)
    """The reason of its condition, in words."""
    since: float | None = field(default=None, init=False)
    """The time when its condition changed; None if it never did."""
    successor: PoolServer | None = field(default=None, init=False)
    """The same server in a later configuration, which counts these sessions, too."""
    _noted: Condition = field(default="up", init=False)
    is_settled: bool = field(default=False, init=False)
    """Whether a pool has used it already."""
    _has_run: bool = field(default=False, init=False)
    _takes_sessions: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.asked_weight = self.weight
        self.asked_maxconn = self.maxconn
        self.seed = digest(self.name.encode()) | 1

    @property
    def is_up(self) -> bool:
        """Whether no check has marked it down."""
        return self.health is None or self.health.is_up

    @property
    def effective_state(self) -> ServerState:
        """The state from admin and agent together."""
        return max(self.state, self.agent_state, key=_SEVERITY.__getitem__)

    @property
    def condition(self) -> Condition:
        """How it is: what admin and agent want of it, checks and its address together."""
        if self.effective_state == "maint":
            return "maint"
        if self.target is None:
            return "no-address"
        if not self.is_up:
            return "down"
        return "drain" if self.effective_state == "drain" else "up"

    @property
    def is_usable(self) -> bool:
        """Whether it may get new sessions, full or not."""
        return self.share > 0

    @property
    def has_room(self) -> bool:
        """Whether it has a free place."""
        return self.sessions < self.places

    @property
    def latest(self) -> PoolServer:
        """This server in the latest configuration."""
        latest = self
        while latest.successor is not None:
            latest = latest.successor
        return latest

    def count(self, sessions: int) -> None:
        """Add sessions here and in later configurations."""
        self.sessions += sessions
        later = self.successor
        while later is not None:
            later.sessions += sessions
            later = later.successor

    def succeed(self, previous: PoolServer) -> None:
        """
        Count a previous server's sessions from now on, including its current ones.

        It may have a successor that no configuration with sessions has any more: the latest one counts them all.
        """
        latest = previous.latest
        if latest is not self:
            latest.successor = self
            self.count(latest.sessions)

    def take_over(self, other: PoolServer) -> None:
        """
        Take over the state of the server with this name in an earlier configuration, before any pool has this one.

        Health is taken over if both have it. Settings by admin and agent stay unless the configuration has another
        value now.
        """
        if self.health is not None and other.health is not None:
            self.health.take_over(other.health)
        self.agent_state = other.agent_state
        self.why, self.since = other.why, other.since
        if self.weight == other.weight:
            self.asked_weight = other.asked_weight
        if self.maxconn == other.maxconn:
            self.asked_maxconn = other.asked_maxconn
        self.is_running = other.is_running
        self.ramp_began = other.ramp_began if self.slowstart > 0 else None
        self._has_run = other._has_run

    def settle(self, now: float) -> None:
        """
        Compute the server's current limits after any change.

        Slowstart begins when the server comes back from being down, from maintenance, or from having no address. As in
        HAProxy, a server that never ran before has no slowstart: at start-up that would only throttle the service.
        """
        if not self.is_settled:
            self.is_settled = True
            self._noted = self.condition
        was_running = self.is_running
        self.is_running = self.is_up and self.target is not None and self.effective_state != "maint"
        if not self.is_running:
            self.ramp_began = None
        elif not was_running:
            self.ramp_began = now if self._has_run and self.slowstart > 0 else None
            self._has_run = True
        self._takes_sessions = self.is_running and self.effective_state == "ready"
        self.ramp(now)

    def note(self, reason: str, now: float) -> None:
        """Remember since when it is as it is, and why, if that has changed."""
        condition = self.condition
        if condition != self._noted:
            self._noted, self.why, self.since = condition, reason, now

    def ramp(self, now: float) -> None:
        """Take the step of slowstart that is due: weight and places grow linearly."""
        done = 1.0
        if self.ramp_began is not None:
            done = (now - self.ramp_began) / self.slowstart
            if done >= 1:
                done = 1.0
                self.ramp_began = None
        self.share = self.asked_weight * max(done, 1 / RAMP_STEPS) if self._takes_sessions else 0.0
        self.places = max(1, int(self.asked_maxconn * done)) if self.asked_maxconn else UNLIMITED


AnyServer = TypeVar("AnyServer", bound=PoolServer)
"""The kind of server that a pool has."""
