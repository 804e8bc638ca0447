"""Lists the action of each command, and calls it for a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred

from mailproxy.control import all_sessions, observe, top_sources
from mailproxy.control.actions import bans, frontends, servers, service, sessions
from mailproxy.control.actions.context import Context
from mailproxy.control.actions.handover import Handover
from mailproxy.control.answer import Answer, Live
from mailproxy.control.ban_status import ban_statuses
from mailproxy.control.certificate_status import certificate_statuses
from mailproxy.control.grammar import Request
from mailproxy.control.questions import Ask
from mailproxy.control.running import Running

Action = Callable[[Context], Answer | Live | Deferred[Answer]]
"""Carries out a command; raises `BadCommand` if that is not possible."""


class Answers:
    """Answers the requests of all clients."""

    def __init__(
        self, running: Running, watchers: Callable[[], int], others: Callable[[], Sequence[Ask]] = tuple
    ) -> None:
        """`watchers` returns the number of clients that watch; `others` returns the other processes of the service."""
        self._running = running
        self._watchers = watchers
        self._others = others
        self._handover = handover = Handover()
        self.actions: Mapping[str, Action] = ACTIONS | {"hand over": handover.hand_over, "leave": handover.leave}
        """By command."""

    def answer(self, request: Request, who: str) -> Answer | Live | Deferred[Answer]:
        """Carry out a request; raise `BadCommand` if that is not possible. `who` names the client in the log."""
        context = Context(self._running, request, request.read(), who, self._watchers(), self._others())
        self._handover.check_change(context)
        return self.actions[request.command.name](context)


ACTIONS: dict[str, Action] = {
    "show info": lambda context: Answer([observe.info(context.running, context.watchers)]),
    "show frontends": lambda context: Answer(observe.frontends(context.running)),
    "show backends": lambda context: Answer(observe.backends(context.running)),
    "show servers": lambda context: Answer(observe.servers(context.running)),
    "show sessions": lambda context: Answer(
        all_sessions.sessions(context.running, context.others, context.request.arguments), context.not_reached
    ),
    "show rules": lambda context: Answer(observe.rules(context.running)),
    "show sources": lambda context: Answer(top_sources.sources(context.running, context.given)),
    "show bans": lambda context: Answer(ban_statuses(context.running, context.given)),
    "show certificates": lambda context: Answer(certificate_statuses(context.running)),
    "show config": lambda context: Answer([observe.configuration(context.running)]),
    "set server state": servers.set_state,
    "set server weight": servers.set_weight,
    "check now": servers.check_now,
    "ban": bans.ban,
    "unban": bans.unban,
    "shutdown session": sessions.shut_down,
    "reload": service.reload,
    "drain frontend": frontends.drain,
    "enable frontend": frontends.enable,
    "drain server": servers.drain,
    "drain": service.drain,
    "stop": service.stop,
    "watch": lambda context: Live(context.given.get("events", "all")),
}
"""By command; those of a `Handover` are not here, as it has a state."""
