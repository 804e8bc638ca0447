"""Actions for a process that takes the listening sockets over."""

from __future__ import annotations

from functools import partial

from mailproxy.control.actions.context import Context
from mailproxy.control.answer import Answer
from mailproxy.control.grammar import BadCommand
from mailproxy.control.status import LeaveStatus, SocketStatus
from mailproxy.session.counters import counted
from mailproxy.transport.bound import place_of

CHANGES = frozenset(
    {"set server state", "set server weight", "drain server", "drain frontend", "enable frontend", "ban", "unban"}
)
"""The commands that change what a process which takes over has asked for already."""


class Handover:
    """Sends the listening sockets to one client at a time, which may then let the service leave (mutable)."""

    def __init__(self) -> None:
        self._taker = ""
        """The client that has the sockets and may say `leave`; empty: none."""

    def hand_over(self, context: Context) -> Answer:
        """Send the listening sockets."""
        running = context.running
        self._check_taker()
        if running.stop.has_begun:
            raise BadCommand("the service is already stopping, and has no listening sockets")
        if running.takeover_end.is_under_way:
            raise BadCommand("the service is taking over from another process right now; try again when that has left")
        if running.drains.draining:
            # When that drain is over, it also closes the sockets that the other process has.
            raise BadCommand("a frontend is just being drained; try again in a second")
        running.bans.flush()  # the other process reads the file next
        sockets = running.listening
        rows = [SocketStatus(address=place_of(sock)) for sock in sockets]
        self._taker = context.who
        words = f"{counted(len(sockets), 'sockets')}; `leave` stops the service"
        return context.done(words, rows=rows, lost=self._forget_taker, sockets=sockets)

    def _forget_taker(self) -> None:
        self._taker = ""

    def check_change(self, context: Context) -> None:
        """Refuse a change that the process which has the sockets would not have."""
        if context.request.command.name in CHANGES:
            self._check_taker(context.who)

    def _check_taker(self, who: str = "") -> None:
        if self._taker not in ("", who):
            sent = f"the sockets were sent on request {self._taker}"
            raise BadCommand(f"another process is taking over right now: {sent}")

    def leave(self, context: Context) -> Answer:
        """Stop, after another process has the sockets."""
        running = context.running
        self._check_taker(context.who)
        if running.stop.has_begun:
            raise BadCommand("the service is already stopping")
        words = "the service leaves its sockets to another process"
        times = running.stop.times_to_leave(**context.given)
        return context.done(words, rows=[LeaveStatus(left_s=times.total)], last=partial(running.stop.leave, times))
