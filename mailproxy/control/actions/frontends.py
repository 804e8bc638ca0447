"""Actions on frontends: whether they accept clients."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mailproxy.control.actions.context import Context
from mailproxy.control.actions.names import check_frontend
from mailproxy.control.answer import Answer
from mailproxy.control.grammar import BadCommand
from mailproxy.front.sockets import StartError
from mailproxy.session.counters import counted


def drain(context: Context) -> Deferred[Answer]:
    """Accept no clients on a frontend; the answer comes when no process accepts any."""
    name = context.given["frontend"]
    check_frontend(context.running, name)
    drained = context.running.drains.frontend(name, kick="kick" in context.given, spread=context.given.get("spread"))
    return drained.addCallback(
        lambda live: context.done_here(f"frontend {name} accepts no clients, {counted(live, 'sessions')} left")
    )


def enable(context: Context) -> Answer:
    """Accept clients on a drained frontend again."""
    name = context.given["frontend"]
    check_frontend(context.running, name)
    try:
        context.running.drains.frontend_ready(name)
    except StartError as error:
        raise BadCommand(str(error)) from None
    return context.done(f"frontend {name} accepts clients")
