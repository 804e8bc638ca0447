"""
Tries the known attacks on STARTTLS against a mail server, one connection after the other.

Exit status: 0 if all cases are good; 1 if one is vulnerable; 2 if none is but the check is incomplete (usage, no
connection, a case without an answer). It sends false credentials. Check only your own servers, or servers whose owner
agrees.
"""

import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Collection
from ipaddress import ip_address
from shutil import get_terminal_size

from mailproxy.audit import DIALECTS, CannotCheck, Verdict, run_cases
from mailproxy.audit.table import as_json, table

VULNERABLE = 1
INCOMPLETE = 2

_LONGEST_TIMEOUT = 60.0
"""Seconds; a run has dozens of connections."""

_WIDE = 140
"""Columns of the table when it is not on a terminal."""


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    add = parser.add_argument
    add("server", type=_server, metavar="HOST:PORT", help="mail.example.org:143, 192.0.2.1:143, [2001:db8::1]:143")
    add("--protocol", required=True, choices=DIALECTS, metavar="P", help=", ".join(DIALECTS))
    add("--timeout", type=_seconds, default=5.0, metavar="SECONDS", help="the longest wait for an answer (default: 5)")
    add(
        "--source",
        type=_address,
        metavar="ADDRESS",
        help="connect from there; Dovecot trusts its own address",
    )
    add("--server-name", metavar="NAME", help="for SNI and the certificate (default: HOST)")
    add("--json", action="store_true", help="print JSON instead of a table")
    certificate = parser.add_mutually_exclusive_group()
    certificate.add_argument(
        "--insecure",
        action="store_true",
        help="do not verify the certificate; this is the default, because the check is about the dialogue",
    )
    certificate.add_argument("--ca", metavar="FILE", help="verify the certificate against these authorities (PEM)")


def run(arguments: Namespace) -> int:
    """Print the result of each case; return the exit status."""
    name, host, port = arguments.server
    try:
        results = run_cases(
            host,
            port,
            arguments.protocol,
            timeout=arguments.timeout,
            quiet=min(1.0, arguments.timeout),
            ca=arguments.ca,
            server_name=arguments.server_name,
            source=arguments.source,
        )
    except CannotCheck as error:
        print(f"mailproxy check-starttls: {error}", file=sys.stderr)
        return INCOMPLETE
    except OSError as error:
        print(f"mailproxy check-starttls: {arguments.ca}: {error}", file=sys.stderr)
        return INCOMPLETE
    if arguments.json:
        print(as_json(results, name, arguments.protocol))
    else:
        print(table(results, get_terminal_size((_WIDE, 24)).columns))
        if arguments.ca is None:
            print("The certificate was not verified; --ca FILE does that.")
    return _status({result.verdict for result in results})


def _status(verdicts: Collection[Verdict]) -> int:
    if Verdict.VULNERABLE in verdicts:
        return VULNERABLE
    return INCOMPLETE if Verdict.NO_ANSWER in verdicts else 0


def _server(text: str) -> tuple[str, str, int]:
    """Return the text itself, the host and the port."""
    host, _, port = text.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    name = host[1:-1] if is_bracketed else host
    if not name or (":" in name) is not is_bracketed or not port.isascii() or not port.isdigit():
        raise ArgumentTypeError(f"{text!r} is not like mail.example.org:143 or [2001:db8::1]:143")
    if not 0 < int(port) < 65536:
        raise ArgumentTypeError(f"port {port} is not between 1 and 65535")
    return text, name, int(port)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ArgumentTypeError(f"{text} is not above 0 and at most {_LONGEST_TIMEOUT:.0f} seconds")
    return seconds
