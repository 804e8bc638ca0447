"""The log of the service: it writes each event to the configured target, which a reload may change."""

from __future__ import annotations

import atexit
import os
import select
from contextlib import suppress
from functools import partial
from typing import IO

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from mailproxy.config import Config, Log
from mailproxy.config.target import LogFile, LogTarget, Stdout
from mailproxy.log.closing import CLOSE_SECONDS, Closing
from mailproxy.log.outlet import Outlet, Output, dropped, gap, levels_from, make_render, make_sink
from mailproxy.log.writer import LineWriter

STDERR = 2

_REACTOR_ENDS = "Main loop terminated."


@implementer(ILogObserver)
class ServiceLog:
    """
    Writes events to the targets of a configuration: those with a frontend's name to that frontend's target.

    Each target has its own writer, so a blocked target does not block another. Make it after a fork, in the process
    that uses it; it opens nothing before the first line.
    """

    def __init__(self, stream: IO[str] | None, settings: Config, closing_seconds: float = CLOSE_SECONDS) -> None:
        """
        `stream` is the stream for the target "stdout".

        A target that a reload removes has `closing_seconds` to take its last lines.
        """
        self._output = Output(stream)
        self._closing_seconds = closing_seconds
        self._writers: dict[LogTarget, LineWriter] = {}
        self._retired: list[LineWriter] = []
        self._dropped = 0
        """The lines that writers dropped which are over."""
        self._closing = Closing()
        self.configure(settings)
        atexit.register(self.close)

    def configure(self, settings: Config) -> None:
        """Use the targets, formats and levels of a configuration from now on, and open files again."""
        previous, self._writers = self._writers, {}
        for target in (settings.log.target, *(log.target for log in settings.frontend_logs.values())):
            if target not in self._writers:
                self._writers[target] = previous.pop(target) if target in previous else self._make_writer(target)
        self._others = self._outlet(settings.log)
        self._of_frontends = {name: self._outlet(log) for name, log in settings.frontend_logs.items()}
        self.reopen()
        for writer in previous.values():
            writer.retire(self._closing_seconds, self._left)
            self._retired.append(writer)

    def _make_writer(self, target: LogTarget) -> LineWriter:
        complain = _ignore if isinstance(target, Stdout) else complain_to_stderr
        return LineWriter(make_sink(target, self._output), _no_notice, complain=complain)

    def _outlet(self, settings: Log) -> Outlet:
        writer, render = self._writers[settings.target], make_render(settings, self._output)
        writer.notice = partial(dropped, render)
        return Outlet(writer, render, levels_from(settings.level))

    def __call__(self, event: LogEvent) -> None:
        """Write one event, unless it is how Twisted says that a reactor has ended: each process has one."""
        if event.get("log_format") == _REACTOR_ENDS:
            return
        self._of_frontends.get(event.get("frontend", ""), self._others).write(event)
        if self._closing.has_begun:
            self.close()

    def _left(self, count: int, reason: str) -> None:
        """Report the lines that a previous target did not take in time."""
        outlet = self._others
        outlet.writer.put(outlet.render(gap(count, reason), "warn"))

    def lines_dropped(self) -> int:
        """Return the number of lines that were dropped since the start."""
        for writer in [one for one in self._retired if one.is_over]:
            self._retired.remove(writer)
            self._dropped += writer.lines_dropped
        return self._dropped + sum(writer.lines_dropped for writer in (*self._retired, *self._writers.values()))

    def reopen(self) -> bool:
        """Open log files by their paths again; return whether there are any."""
        files = [writer for target, writer in self._writers.items() if isinstance(target, LogFile)]
        for writer in files:
            writer.reopen()
        return bool(files)

    def close(self) -> None:
        """
        Wait at most `CLOSE_SECONDS` until all lines are written, now and after each later event.

        Call it when the process may end soon, for example by a signal.
        """
        self._closing.drain(self._writers.values())


def complain_to_stderr(problem: str) -> None:
    """Write a problem of the log to standard error, unless that would block."""
    poll = select.poll()
    with suppress(OSError, ValueError):
        poll.register(STDERR, select.POLLOUT)
        if poll.poll(0):
            os.write(STDERR, f"mailproxy: log: {problem}; lines wait, the next try is in a second\n".encode()[:512])


def _ignore(problem: str) -> None:
    """Do nothing: the notice reports the problem, and standard error is often the same as standard output."""


def _no_notice(count: int, reason: str) -> bytes:
    raise AssertionError("no outlet has this writer")
