"""What goes on for the servers of a backend beside sessions: checks, names, slowstart, and a log of every change."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger, LogLevel

from mailproxy import config
from mailproxy.balance.change import Change
from mailproxy.balance.server import Server
from mailproxy.checks.make import make_check
from mailproxy.checks.outcome import Outcome
from mailproxy.checks.prober import Prober
from mailproxy.names import Fill, Names, Record
from mailproxy.session.backend import Backend, Origin, inet_target
from mailproxy.transport.deadlines import Deadlines
from mailproxy.transport.poller import Poller

EndSessions = Callable[[Collection[Server], str, str], None]
"""Ends the sessions of servers, with HAProxy's letter for why, and the reason in words."""

_FORMAT = (
    "server {backend}/{server} {protocol} {what}{because}; {active} active and {backups} backup servers left, "
    "{sessions} sessions, {queued} queued"
)

_WORDS = {
    "up": "is UP",
    "down": "is DOWN",
    "ready": "is ready",
    "drain": "is drained",
    "maint": "is in maintenance",
    "weight": "has another weight",
    "maxconn": "has another maxconn",
    "address": "has an address",
    "no-address": "has no address",
}
