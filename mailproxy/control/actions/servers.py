"""Actions on servers: their state and weight, drains and checks."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred

from mailproxy.backend.backend import Backend
from mailproxy.backend.overrides import why
from mailproxy.checks.outcome import Outcome
from mailproxy.control.actions.context import Context
from mailproxy.control.actions.names import find_servers, servers_of_all_generations
from mailproxy.control.answer import Answer
from mailproxy.control.argument import Weight
from mailproxy.control.grammar import BadCommand
from mailproxy.control.questions import DrainServer
from mailproxy.control.status import CheckStatus
from mailproxy.session.counters import counted


def set_state(context: Context) -> Answer:
    """Set a server's state."""
    running = context.running
    backend, server = context.given["server"]
    state = context.given["state"]
    now = running.loop.poller.look_at_clock()
    first = find_servers(running, backend, server)[0][1]
    before = first.state
    reason = why(state)
    running.process_state.overrides.set_state(backend, first, state)
    for made, one in servers_of_all_generations(running, backend, server):
        made.pool.set_state(one, state, now, reason)
    return context.done(f"server {backend}/{server}: state {before} -> {state}")


def set_weight(context: Context) -> Answer:
    """Set a server's weight."""
    running = context.running
    backend, server = context.given["server"]
    weight: Weight = context.given["weight"]
    now = running.loop.poller.look_at_clock()
    first = find_servers(running, backend, server)[0][1]
    before = first.asked_weight
    after = weight.of(first.weight)
    running.process_state.overrides.set_weight(backend, first, after)
    for made, one in servers_of_all_generations(running, backend, server):
        made.pool.set_weight(one, after, now, "by hand")
    return context.done(f"server {backend}/{server}: weight {before:g} -> {after:g}")


def drain(context: Context) -> Deferred[Answer]:
    """Give a server no new sessions, in all processes."""
    given, running = context.given, context.running
    backend, server = given["server"]
    kick, spread = "kick" in given, given.get("spread")
    find_servers(running, backend, server)
    here = running.drains.server(backend, server, kick=kick, spread=spread)

    def drained(answers: list[object]) -> Answer:
        live = here + sum(answer for answer in answers if isinstance(answer, int))
        return context.done_here(f"server {backend}/{server} gets no new sessions, {counted(live, 'sessions')} left")

    return context.ask_others(DrainServer(backend, server, kick, spread)).addCallback(drained)


def check_now(context: Context) -> Deferred[Answer]:
    """Check a server now, for each protocol; the answer has the results."""
    monitoring = context.running.generation.monitoring
    if monitoring is None:
        raise BadCommand("the service is stopping, and checks no servers")
    backend, server = context.given["server"]
    found = find_servers(context.running, backend, server)
    waiting = len(found)
    rows: list[CheckStatus] = []
    done: Deferred[Answer] = Deferred()

    def checked(of: Backend, outcome: Outcome | None) -> None:
        nonlocal waiting
        waiting -= 1
        ok, reason, took = (False, "no result: the configuration was reloaded", 0.0)
        if outcome is not None:
            ok, reason, took = outcome.ok, outcome.reason, outcome.seconds
        rows.append(
            CheckStatus(backend=backend, protocol=of.protocol, server=server, ok=ok, says=reason, took_s=round(took, 6))
        )
        if not waiting:
            done.callback(Answer(rows))

    for of, one in found:
        monitor = monitoring.monitors[of.name, of.protocol]
        if problem := monitor.check_now(one, partial(checked, of)):
            raise BadCommand(f"server {backend}/{server} {problem}")
    return done
