"""
What a key exchange costs the front: ``python -m benchmarks.groups``, X25519 beside X25519MLKEM768.

The clients use the OpenSSL of cryptography, because a distribution's may not have X25519MLKEM768. They are slower than
those of the other benchmarks, so that the front is not busy all the time: compare the costs with each other only.

As root, all of it goes before other programs of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from OpenSSL import SSL

from benchmarks import fronts, interpreter, programs, usage
from benchmarks.certificates import SERVER_NAME
from benchmarks.floods import go_first
from benchmarks.running import BenchmarkError, Front
from benchmarks.usage import CpuTime
from mailproxy.tls import openssl

GROUPS = ("X25519", "X25519MLKEM768")
"""What is compared; the first one is the reference."""

_CLIENTS = 8
_SETTLE_SECONDS = 0.5


def main(arguments: Sequence[str]) -> int:
    """Measure and print; return 1 if something is missing or fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__.splitlines()[1])
    parser.add_argument("--rounds", type=int, default=7, help="how often each is measured (default %(default)s)")
    parser.add_argument("--connections", type=int, default=2000, help="of each measure (default %(default)s)")
    interpreter.add_option(parser)
    fronts.add_option(parser)
    parser.add_argument("--client", nargs=2, metavar=("GROUP", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.client is not None:
        return _connect_all(options.client[0], int(options.client[1]), options.connections)
    go_first()
    try:
        programs.require()
        print(fronts.machine(interpreter.use(options.python), fronts.use(options.everything)), flush=True)
        with contextlib.ExitStack() as stack:
            place = fronts.prepare(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailproxy-groups-"))))
            front = stack.enter_context(Front(fronts.MAILPROXY, place))
            taken: dict[str, list[CpuTime]] = {group: [] for group in GROUPS}
            for group in GROUPS:
                _take(front, group, 200, place.other_cpu)
            for number in range(options.rounds):
                for group in reversed(GROUPS) if number % 2 else GROUPS:
                    taken[group].append(_take(front, group, options.connections, place.other_cpu))
    except (programs.Missing, BenchmarkError) as error:
        print(error, file=sys.stderr)
        return 1
    reference = taken[GROUPS[0]]
    print(f"µs of CPU time for a full handshake with P-256, medians of {options.rounds} rounds")
    print(f"{'':16}{'all':>8}{'user':>8}{'system':>8}  ratio (range)       user's ratio")
    for group, costs in taken.items():
        ratios = [ours.total / theirs.total for ours, theirs in zip(costs, reference, strict=True)]
        user_ratios = [ours.user / theirs.user for ours, theirs in zip(costs, reference, strict=True)]
        columns = (median(cost.total for cost in costs), median(cost.user for cost in costs))
        print(
            f"{group:16}{columns[0]:8.1f}{columns[1]:8.1f}{median(cost.system for cost in costs):8.1f}"
            f"  {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})   {median(user_ratios):.2f}"
        )
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


def _take(front: Front, group: str, count: int, cpu: int) -> CpuTime:
    """Return the microseconds of one connection."""
    client = [sys.executable, "-m", "benchmarks.groups", "--client", group, str(front.port("EC"))]
    before = usage.cpu_time(front.pid)
    done = subprocess.run(
        ["taskset", "--cpu-list", str(cpu), *client, "--connections", str(count)],
        cwd=Path(__file__).parent.parent,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the clients with {group} failed")
    time.sleep(_SETTLE_SECONDS)
    used = usage.cpu_time(front.pid) - before
    return CpuTime(used.user * 1e6 / count, used.system * 1e6 / count)


def _connect_all(group: str, port: int, count: int) -> int:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    if objection := openssl.objection(context, "groups", group):
        print(f"{SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode()}: {objection}", file=sys.stderr)
        return 1
    failures: list[Exception] = []

    def connect_some(share: int) -> None:
        try:
            for _ in range(share):
                _connect(context, port, group)
        except (OSError, SSL.Error, BenchmarkError) as error:
            failures.append(error)

    shares = [count // _CLIENTS + (number < count % _CLIENTS) for number in range(_CLIENTS)]
    threads = [threading.Thread(target=connect_some, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        print(failures[0], file=sys.stderr)
    return 1 if failures else 0


def _connect(context: SSL.Context, port: int, group: str) -> None:
    """Shake hands, be greeted, say goodbye."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = SSL.Connection(context, sock)
        connection.set_tlsext_host_name(SERVER_NAME.encode())
        connection.set_connect_state()
        connection.do_handshake()
        used = connection.get_group_name()
        if (used or "").lower() != group.lower():
            raise BenchmarkError(f"negotiated {used} in place of {group}")
        connection.recv(4096)
        connection.send(b"LOGOUT\r\n")
        connection.recv(4096)
        connection.shutdown()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
