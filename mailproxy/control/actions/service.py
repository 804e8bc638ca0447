"""Actions on the service: its reload and its stop."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mailproxy.config import ConfigError
from mailproxy.control.actions.context import Context
from mailproxy.control.answer import Answer
from mailproxy.control.grammar import BadCommand
from mailproxy.control.status import ChangeStatus
from mailproxy.front.reload_queue import HalfReloaded, Reloaded, ReloadRefused
from mailproxy.front.sockets import StartError
from mailproxy.session.counters import counted


def reload(context: Context) -> Deferred[Answer]:
    """Reload the configuration; the answer has the changes."""
    context.log_request()
    return context.running.reload().addCallbacks(_reloaded, _not_reloaded)


def _reloaded(reloaded: Reloaded) -> Answer:
    changes = [
        ChangeStatus(change=str(difference), needs_restart=difference.needs_restart)
        for difference in reloaded.differences
    ]
    warnings = [ChangeStatus(change=warning, is_warning=True) for warning in reloaded.warnings]
    words = f"reloaded, with {counted(len(changes), 'changes')}" if changes else "reloaded, and nothing has changed"
    return Answer([*changes, *warnings], words)


def _not_reloaded(failure: Failure) -> Answer:
    if failure.check(ConfigError, StartError, ReloadRefused, HalfReloaded) is None:
        failure.raiseException()
    raise BadCommand(str(failure.value))


def stop(context: Context) -> Answer:
    """Stop the service; the second time, end all sessions at once."""
    running = context.running
    words = "the sessions that are left end now" if running.stop.has_begun else "the service stops"
    return context.done_here(words, last=running.stop.ask)


def drain(context: Context) -> Answer:
    """Stop the service, with other times than the configured ones."""
    running = context.running
    if running.stop.has_begun:
        raise BadCommand("the service is already stopping; `stop` ends its sessions at once")
    return context.done_here("the service stops", last=partial(running.stop.drain, **context.given))
