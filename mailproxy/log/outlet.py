"""Outlets: one writer for one target, with the format and level of its lines."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import IO, Any

from attrs import frozen
from twisted.logger import LogEvent, LogLevel

from mailproxy.config import Log
from mailproxy.config.target import Journal, LogFile, LogTarget, Stdout, SyslogPeer, SyslogSocket
from mailproxy.log.datagram import DatagramSink, JournalSink
from mailproxy.log.descriptor import DescriptorSink
from mailproxy.log.file import FileSink
from mailproxy.log.format import FILE_FORMATS, FORMATS, PRIORITIES
from mailproxy.log.journal import as_entry
from mailproxy.log.sink import Sink
from mailproxy.log.stream import StreamSink
from mailproxy.log.syslog import as_syslog, host_name
from mailproxy.log.writer import LineWriter

Render = Callable[[LogEvent, str], bytes]
"""Formats an event and its level for a target."""


class Output:
    """An output stream of the process, with its encoding and whether journald reads it."""

    def __init__(self, stream: IO[str] | None) -> None:
        """None drops all lines: Python has no stream if the descriptor was closed at the start."""
        self._stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115  # for as long as we live
        with suppress(OSError):
            self._stream.flush()
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self.descriptor = self._stream.fileno()
        self.is_journal = _is_journal(self.descriptor)

    def encode(self, text: str) -> bytes:
        """Return a text in the stream's encoding, with escapes for letters that this does not have."""
        return text.encode(self._encoding, "backslashreplace")

    def renderer(self, format: str) -> Render:
        """Return a function that makes lines; if journald reads the stream, a priority precedes them (sd-daemon(3))."""
        as_line, encoding = FORMATS[format], self._encoding

        def render(event: LogEvent, level: str) -> bytes:
            return f"{as_line(event, level)}\n".encode(encoding, "backslashreplace")

        def render_with_priority(event: LogEvent, level: str) -> bytes:
            return b"<%d>%b" % (PRIORITIES[level], render(event, level))

        return render_with_priority if self.is_journal else render


@frozen
class Outlet:
    """A writer, with the level and format of its lines."""

    writer: LineWriter
    render: Render
    levels: frozenset[Any]
    """The levels of the events to write; a comparison of two levels costs a tenth of a line."""

    def write(self, event: LogEvent) -> None:
        """Write an event, unless it is below the level."""
        level = event.get("log_level", LogLevel.info)
        if level in self.levels:
            self.writer.put(self.render(event, level.name))


def levels_from(lowest: str) -> frozenset[Any]:
    """Return the levels from the one with this name on."""
    return frozenset(level for level in LogLevel.iterconstants() if level >= LogLevel.levelWithName(lowest))


def make_render(settings: Log, output: Output) -> Render:
    """Return the function that formats events for the target."""
    match settings.target:
        case Stdout():
            return output.renderer(settings.format)
        case LogFile():
            return partial(_as_line, format=settings.format)
        case Journal():
            return partial(as_entry, facility=settings.facility, format=settings.format)
    return partial(as_syslog, facility=settings.facility, format=settings.format, host=host_name())


def make_sink(target: LogTarget, output: Output) -> Sink:
    """Return the sink of a target; it opens the target at the first line."""
    match target:
        case Stdout():
            return DescriptorSink(output.descriptor)
        case LogFile(path):
            return FileSink(path)
        case Journal(path):
            return JournalSink(path, path)
        case SyslogSocket(path):
            return DatagramSink(path, socket.AF_UNIX, path)
        case SyslogPeer(transport, host, port):
            family = socket.AF_INET if host.version == 4 else socket.AF_INET6
            make = DatagramSink if transport == "udp" else StreamSink
            return make(str(target), family, (str(host), port))


def _as_line(event: LogEvent, level: str, *, format: str) -> bytes:
    return f"{FILE_FORMATS[format](event, level)}\n".encode("utf-8", "backslashreplace")


def dropped(render: Render, count: int, reason: str) -> bytes:
    """Return the line that reports dropped lines."""
    return render(gap(count, reason), "warn")


def gap(count: int, reason: str) -> LogEvent:
    """Return the event that reports dropped lines."""
    lines = "line was" if count == 1 else "lines were"
    return {
        "log_format": f"log: {{lines}} {lines} dropped: {{reason}}",
        "log_time": time.time(),
        "log_level": LogLevel.warn,
        "event": "dropped",
        "lines": count,
        "reason": reason,
    }


def _is_journal(descriptor: int) -> bool:
    """Return whether journald reads a descriptor, by systemd's variable $JOURNAL_STREAM (systemd.exec(5))."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
