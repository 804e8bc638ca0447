"""The `mailproxy` command: finds the subcommand, imports only its module, and gives the exit status."""

import gc
import os
import sys
from argparse import REMAINDER, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module

from mailproxy import __version__
from mailproxy.commands import COMMANDS

FAILURE = 1
"""Exit status of a failure; a usage error is 2, as in argparse."""

INTERRUPTED = 128 + 2
"""Exit status after Ctrl-C, as in shells for SIGINT."""


def _parser() -> ArgumentParser:
    width = max(map(len, COMMANDS))
    parser = ArgumentParser(
        prog="mailproxy",
        description="A TLS front for mail servers that tells them, by PROXY protocol v2, who the client is.",
        epilog="commands:\n" + "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()),
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"mailproxy {__version__}")
    parser.add_argument("command", metavar="COMMAND", choices=COMMANDS, help="see below; COMMAND --help explains it")
    parser.add_argument("arguments", metavar="…", nargs=REMAINDER, help="the command's arguments")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the subcommand that `argv` (default: this process's) names, and return the exit status.

    0 is success, 1 a failure, 2 a usage error, 130 Ctrl-C.
    """
    # The imports of a service make 110,000 objects and little garbage: each search for it takes a twentieth of a start.
    gc.set_threshold(200_000)
    chosen = _parser().parse_args(argv)
    command = import_module(f"mailproxy.commands.{chosen.command.replace('-', '_')}")
    parser = ArgumentParser(prog=f"mailproxy {chosen.command}", description=command.__doc__)
    command.configure(parser)
    try:
        status: int = command.run(parser.parse_args(chosen.arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; the flush at exit would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return status
