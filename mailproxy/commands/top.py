"""Shows what a running service does, live in a terminal, over its admin socket; q ends it, ? explains the keys."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

from mailproxy.config import DEFAULT_FILE
from mailproxy.config.duration import seconds
from mailproxy.config.kind import WrongValue
from mailproxy.config.words import printable
from mailproxy.control.call import Call, NoService, socket_of
from mailproxy.top.letters import charset_of
from mailproxy.top.once import snapshot_lines

USAGE_ERROR = 2

MIN_SECONDS, MAX_SECONDS = 0.2, 30.0
"""Less often than every minute, the service closes the connection."""

_UNBOUNDED = 10_000
"""Columns where there is no terminal: nothing is cut."""


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    add = parser.add_argument
    add("-c", "--config", metavar="FILE", default=DEFAULT_FILE, help="names the socket (default: %(default)s)")
    add("--socket", metavar="PATH", help="the admin socket, instead of looking for it in a file")
    add("--interval", metavar="TIME", type=_interval, default=1.0, help="the time between two updates (default: 1s)")
    add("--once", action="store_true", help="print one snapshot, with the rates of one interval, and end")


def run(arguments: Namespace) -> int:
    """Show the service; 1 if it is not there, 2 without a terminal."""

    def path() -> str:
        return arguments.socket or socket_of(arguments.config)

    try:
        if arguments.once:
            return _print(path(), arguments.interval)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            print("mailproxy top needs a terminal; --once prints one snapshot without it", file=sys.stderr)
            return USAGE_ERROR
        Call(path()).close()  # what is wrong from the beginning is an error, not something to wait for
        return _show(path, arguments.interval)
    except NoService as error:
        print(printable(str(error)), file=sys.stderr)
        return 1


def _print(path: str, interval: float) -> int:
    width = shutil.get_terminal_size((_UNBOUNDED, 24)).columns if sys.stdout.isatty() else _UNBOUNDED
    with Call(path) as call:
        for line in snapshot_lines(call, interval, width=width, charset=charset_of(sys.stdout.encoding)):
            print(line)
    return 0


def _show(path: Callable[[], str], interval: float) -> int:
    try:
        import curses

        from mailproxy.top.live import show_live
    except ImportError:
        print("this Python has no curses; --once prints one snapshot without it", file=sys.stderr)
        return 1
    try:
        curses.setupterm()
    except curses.error:
        term = printable(os.environ.get("TERM", ""))
        print(f"the terminal {term!r} (TERM) is not known here; try TERM=vt100, or --once", file=sys.stderr)
        return 1
    show_live(path, interval)
    return 0


def _interval(text: str) -> float:
    try:
        value = seconds(text)
    except WrongValue as error:
        raise ArgumentTypeError(str(error)) from None
    if not MIN_SECONDS <= value <= MAX_SECONDS:
        raise ArgumentTypeError(f"is {text!r}, needs 200ms to 30s")
    return value
