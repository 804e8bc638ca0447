"""One server of a pool: what is configured, what was asked for since, and what it may take now."""

from __future__ import annotations

import sys
from typing import Any, Literal, TypeVar

from attrs import define, field

from mailproxy.balance.digest import digest
from mailproxy.balance.health import Health

ServerState = Literal["ready", "drain", "maint"]

UNLIMITED = sys.maxsize
"""The places of a server without ``maxconn``."""

RAMP_STEPS = 20
"""Slowstart goes in so many steps, as in HAProxy. The first is taken at once, so that the server is tried at all."""

_SEVERITY: dict[ServerState, int] = {"ready": 0, "drain": 1, "maint": 2}


@define(kw_only=True, eq=False)
class PoolServer:
    """
    A server for one protocol; its pool changes it, everybody else reads.

    A subclass says more of it: where it comes from.
    """

    name: str
    backup: bool = False
    weight: int = 100
    """0 to 256, relative to the others; 0: no new sessions."""
    maxconn: int = 0
    """So many sessions at once; 0: no limit."""
    slowstart: float = 0.0
    """Seconds until a server that came back has its whole weight and all its places."""
    target: Any = None
    """Where to connect to; None: nobody knows, so nobody is sent there."""
    health: Health | None = None
    """None: it is not checked, and always up."""
    state: ServerState = "ready"
    """What the admin wants."""

    agent_state: ServerState = field(default="ready", init=False)
    """What the server's agent wants. The more severe of the two counts."""
    asked_weight: float = field(init=False)
    """The weight that somebody asked for last: configuration, admin or agent."""
    asked_maxconn: int = field(init=False)
    sessions: int = field(default=0, init=False)
    """Picked and not left."""
    share: float = field(default=0.0, init=False)
    """The weight now; 0: gets nobody."""
    places: int = field(default=UNLIMITED, init=False)
    """The most sessions at once, now."""
    seed: int = field(init=False)
    """For ``source``: where its clients come from, by its name alone. Odd, so that no client's hash is lost."""
    credit: float = field(default=0.0, init=False)
    """For ``roundrobin``: what it is owed."""
    turn: int = field(default=0, init=False)
    """For ``leastconn``: the greater, the later it was picked last."""
    is_running: bool = field(default=False, init=False)
    """Whether it could take sessions but for its weight, or to drain it."""
    ramp_began: float | None = field(default=None, init=False)
    """When its slowstart began; None: there is none under way."""
    why: str = field(default="", init=False)
    """The reason of the last change of what it may take, in words."""
    since: float | None = field(default=None, init=False)
    """When that was; None if nothing has changed."""
    successor: PoolServer | None = field(default=None, init=False)
    """The same server in a later configuration: sessions here are its sessions, too."""
    is_settled: bool = field(default=False, init=False)
    """Whether a pool has it already."""
    _has_run: bool = field(default=False, init=False)
    _takes_sessions: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.asked_weight = self.weight
        self.asked_maxconn = self.maxconn
        self.seed = digest(self.name.encode()) | 1

    @property
    def is_up(self) -> bool:
        """Whether no check says otherwise."""
        return self.health is None or self.health.is_up

    @property
    def standing(self) -> ServerState:
        """What admin and agent want together."""
        return max(self.state, self.agent_state, key=_SEVERITY.__getitem__)

    @property
    def is_usable(self) -> bool:
        """Whether new sessions may go there, room or not."""
        return self.share > 0

    @property
    def has_room(self) -> bool:
        """Whether it may have one more session."""
        return self.sessions < self.places

    @property
    def latest(self) -> PoolServer:
        """This server as the latest configuration has it."""
        latest = self
        while latest.successor is not None:
            latest = latest.successor
        return latest

    def count(self, sessions: int) -> None:
        """Add sessions here, and so in later configurations as well."""
        self.sessions += sessions
        later = self.successor
        while later is not None:
            later.sessions += sessions
            later = later.successor

    def succeed(self, former: PoolServer) -> None:
        """Count a former server's sessions from now on, those that it has included."""
        if former.successor is None and former is not self:
            former.successor = self
            self.count(former.sessions)

    def take_over(self, other: PoolServer) -> None:
        """
        Go on where another server has got to, of the same name in an earlier configuration; before any pool has this.

        Both have health, or only what admin and agent want counts. What was asked for stays unless the configuration
        has another value for it now.
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
        Find out what the server may take from now on, after anything about it has changed.

        Slowstart begins when it comes back: from being down, from maintenance, or from having no address. As in
        HAProxy, it does not for a server that never ran before: at start-up that would only throttle the service.
        """
        self.is_settled = True
        was_running = self.is_running
        self.is_running = self.is_up and self.target is not None and self.standing != "maint"
        if not self.is_running:
            self.ramp_began = None
        elif not was_running:
            self.ramp_began = now if self._has_run and self.slowstart > 0 else None
            self._has_run = True
        self._takes_sessions = self.is_running and self.standing == "ready"
        self.ramp(now)

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
