"""The log of `mailproxy demo`: it writes events as lines to one stream."""

from __future__ import annotations

import atexit
from functools import partial
from typing import IO

from twisted.logger import ILogObserver, LogEvent
from zope.interface import implementer

from mailproxy.config import Log
from mailproxy.log.closing import Closing
from mailproxy.log.descriptor import DescriptorSink
from mailproxy.log.outlet import Outlet, Output, dropped, levels_from, make_render
from mailproxy.log.writer import LineWriter


@implementer(ILogObserver)
class LineLog:
    """Writes events of a level and above to a stream as lines; it never waits for the stream (`LineWriter`)."""

    def __init__(self, stream: IO[str] | None, format: str = "text", level: str = "info") -> None:
        self._output = Output(stream)
        render = make_render(Log(format=format), self._output)  # type: ignore[arg-type]  # one of the words
        self._writer = LineWriter(DescriptorSink(self._output.descriptor), partial(dropped, render))
        self._outlet = Outlet(self._writer, render, levels_from(level))
        self._closing = Closing()
        atexit.register(self.close)

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        self._outlet.write(event)
        if self._closing.has_begun:
            self.close()

    def say(self, text: str) -> None:
        """Write a text that is not an event, in order with the events; it may contain several lines."""
        self._writer.put(self._output.encode(f"{text}\n"))

    def close(self) -> None:
        """
        Wait at most `CLOSE_SECONDS` until all lines are written, now and after each later event.

        Call it when the process may end soon, for example by a signal.
        """
        self._closing.drain([self._writer])
