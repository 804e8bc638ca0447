"""Runs the service in the foreground, until a signal or `mailproxy ctl` stops it."""

from __future__ import annotations

import argparse
import sys

from mailproxy.config import DEFAULT_FILE, ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument(
        "-c", "--config", default=DEFAULT_FILE, metavar="FILE", help="configuration (default %(default)s)"
    )
    parser.add_argument(
        "--take-over",
        action="store_true",
        help="take the listening sockets of the running service, which then leaves; FILE names its admin socket",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM, SIGINT or SIGQUIT; return 1 if the service cannot start, or fails."""
    from mailproxy.systemd.handed import take_handed

    # Before anything imports Twisted's endpoints, which take what the environment says for themselves.
    handed = take_handed()

    from mailproxy.control.call import NoService
    from mailproxy.foreground import make_ready, serve
    from mailproxy.front.sockets import StartError

    try:
        ready = make_ready(arguments.config, handed, takes_over=arguments.take_over)
    except (ConfigError, StartError, NoService) as error:
        print(error, file=sys.stderr)
        return 1
    return serve(ready)
