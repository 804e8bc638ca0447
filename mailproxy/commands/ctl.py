"""Asks a running service, and tells it what to do, over its admin socket."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Iterator
from typing import Any

from mailproxy.config import DEFAULT_FILE
from mailproxy.config.words import printable
from mailproxy.control.call import Call, NoService, socket_of
from mailproxy.control.command import help_lines
from mailproxy.control.grammar import BadCommand, Request, parse
from mailproxy.control.table import COLUMNS, listing, table

USAGE_ERROR = 2


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = "commands:\n" + "\n".join(f"  {line}" for line in help_lines())
    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_FILE, help="names it (default: %(default)s)")
    parser.add_argument("--socket", metavar="PATH", help="the admin socket, instead of looking for it in a file")
    parser.add_argument("--json", action="store_true", help="print the lines of the answer as they are")
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="see below")


def run(arguments: Namespace) -> int:
    """Print what is answered; 1 if the service cannot do it or is not there, 2 if the command is none."""
    if not arguments.words or arguments.words == ["help"]:
        print("\n".join(help_lines()))
        return 0 if arguments.words else USAGE_ERROR
    try:
        request = parse(arguments.words)
    except BadCommand as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    try:
        path = arguments.socket or socket_of(arguments.config)
        with Call(path) as call:
            return _print(request, call.ask(request), as_json=arguments.json)
    except NoService as error:
        print(printable(str(error)), file=sys.stderr)
        return 1


def _print(request: Request, lines: Iterable[dict[str, Any]], *, as_json: bool) -> int:
    end: list[dict[str, Any]] = []
    if as_json or request.command.name == "watch":
        for line in lines:
            print(json.dumps(line), flush=True)
            if line.get("type") == "error":
                return 1
        return 0
    shown = list(_shown(request.command.name, _rows(lines, end)))
    if end and end[-1].get("type") == "done" and (request.command.name in COLUMNS or len(shown)):
        print("\n".join(shown))
        if request.command.name == "show sources" and len(shown) == 1 and "by" not in request.arguments:
            print("no source has a connection now: `show sources by rate` has those that had", file=sys.stderr)
    for line in end:
        if line.get("type") == "error":
            print(*map(printable, str(line.get("error")).splitlines()), sep="\n", file=sys.stderr)
            return 1
        if line.get("message"):
            print(printable(str(line["message"])))
    return 0


def _rows(lines: Iterable[dict[str, Any]], end: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of an answer, and put what follows them aside."""
    for line in lines:
        if line.get("type") == "row":
            yield {key: value for key, value in line.items() if key != "type"}
        else:
            end.append(line)


def _shown(name: str, rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    if name in COLUMNS:
        yield from table(COLUMNS[name], rows)
        return
    for row in rows:
        if name == "reload":
            yield _change(row)
        elif name == "show config":
            yield from map(printable, str(row.get("text")).splitlines())
        else:
            yield from listing(row)


def _change(row: dict[str, Any]) -> str:
    change = printable(str(row.get("change")))
    if row.get("is_warning"):
        return f"warning: {change}"
    return f"{change}, which takes effect when mailproxy is restarted" if row.get("needs_restart") else change
