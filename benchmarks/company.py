"""
What one hostile client does to others: ``python -m benchmarks.company``.

A good client connects 50 times a second over TLS, is greeted, says a command and leaves, while one other client does
its worst, again and again. Only the good client's connections count. All of it is on loopback, with one process of
mailproxy on the first CPU, and the clients on the last one; as root, they go before other programs of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import ssl
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from attrs import frozen

from benchmarks import fronts, only, programs, usage
from benchmarks.certificates import SERVER_NAME
from benchmarks.floods import Clients, go_first
from benchmarks.running import Front, FrontProgram, Place
from tests.tls.records import CIPHERS_12, HANDSHAKE, SERVER_RANDOM, Sender, Sender12

RATE = 50.0
"""Connections of the good client in a second."""

LIMIT_SECONDS = 0.05
"""The 99th percentile that is allowed in any company."""

_RECORDS = 2000
_PUSHED_BYTES = 1 << 30
_STORM = 200
_PIECES_SECONDS = 0.001
_TIMEOUT_SECONDS = 10.0

# The pause after an attack, in parts of its time. If programs in real time never leave a CPU, the kernel stops them for
# 50 ms in each second, the good client too, whatever the front does.
_PAUSE = 0.15

_NO_LINGER = struct.pack("ii", 1, 0)


@frozen
class Target:
    """Where the hostile client connects to, with a folder for its keys."""

    port: int
    folder: Path

    def connect(self) -> socket.socket:
        """Return a connection without TLS."""
        return socket.create_connection(("127.0.0.1", self.port), _TIMEOUT_SECONDS)

    def context(self, version: ssl.TLSVersion) -> ssl.SSLContext:
        """Return what a client of one version needs; the keys go to a file."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.minimum_version = context.maximum_version = version
        context.keylog_filename = str(self.folder / "keys")
        if version == ssl.TLSVersion.TLSv1_2:
            context.set_ciphers(CIPHERS_12)
        return context

    def secured(self, version: ssl.TLSVersion) -> tuple[socket.socket, bytes]:
        """Return a connection after its handshake, with the server's random number; records are up to the caller."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context(version).wrap_bio(incoming, outgoing, server_hostname=SERVER_NAME)
        sock, received = self.connect(), b""
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                data = sock.recv(65536)
                received += data
                incoming.write(data)
        sock.sendall(outgoing.read())
        return sock, received[SERVER_RANDOM]


Attack = Callable[[Target], None]
"""Attacks once; it is called again and again, whatever `OSError` it raises."""


def key_updates(target: Target) -> None:
    """Send nothing but KeyUpdates, which ask for the server's."""
    sock, _ = target.secured(ssl.TLSVersion.TLSv1_3)
    with sock:
        sender = Sender(target.folder / "keys")
        sock.sendall(b"".join(sender.key_update() for _ in range(_RECORDS)))
        _drain(sock)


def empty_records(target: Target) -> None:
    """Send nothing but records without a byte."""
    sock, _ = target.secured(ssl.TLSVersion.TLSv1_3)
    with sock:
        sender = Sender(target.folder / "keys")
        sock.sendall(b"".join(sender.data(b"") for _ in range(_RECORDS)))
        _drain(sock)


def renegotiations(target: Target) -> None:
    """Begin TLS 1.2's renegotiation with a ClientHello in records of one byte, between empty ones."""
    sock, server_random = target.secured(ssl.TLSVersion.TLSv1_2)
    with sock:
        sender = Sender12(target.folder / "keys", server_random)
        hello = b"\1" + (131_000).to_bytes(3) + bytes(_RECORDS)
        sock.sendall(b"".join(sender.record(HANDSHAKE, one) for byte in hello for one in (b"", bytes([byte]))))
        _drain(sock)


def dripped_hello(target: Target) -> None:
    """Send a long ClientHello, each byte in a record and a packet of its own."""
    with target.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"\1" + (131_000).to_bytes(3) + b"\3\3" + bytes(_RECORDS):
            sock.sendall(bytes([HANDSHAKE, 3, 1, 0, 1, byte]))
            time.sleep(_PIECES_SECONDS)


def resets(target: Target) -> None:
    """Open many connections, and reset them all."""
    socks = [target.connect() for _ in range(_STORM)]
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        sock.close()


def pushed_bytes(target: Target) -> None:
    """Push 1 GiB through."""
    context = target.context(ssl.TLSVersion.TLSv1_3)
    chunk = bytes(1 << 20)
    with context.wrap_socket(target.connect(), server_hostname=SERVER_NAME) as sock:
        sock.recv(4096)
        sock.sendall(b"APPEND %d\r\n" % _PUSHED_BYTES)
        for _ in range(_PUSHED_BYTES // len(chunk)):
            sock.sendall(chunk)
        sock.recv(4096)


ATTACKS: Mapping[str, Attack] = {
    "key-updates": key_updates,
    "renegotiation": renegotiations,
    "empty-records": empty_records,
    "dripped-hello": dripped_hello,
    "resets": resets,
    "1-gib": pushed_bytes,
}


def _drain(sock: socket.socket) -> None:
    while sock.recv(65536):
        pass


def _attack(attack: Attack, target: Target, attacks: Synchronized[int]) -> None:
    # On the good client's CPU: behind it, because it is the front that is measured.
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    while True:
        began = time.monotonic()
        with contextlib.suppress(OSError):  # the front has cut it off
            attack(target)
        attacks.value += 1
        time.sleep(_PAUSE * (time.monotonic() - began))


@contextlib.contextmanager
def attacked(attack: Attack, target: Target) -> Iterator[Synchronized[int]]:
    """Have the attack in the `with` block; what is yielded is the number of attacks so far."""
    forking = multiprocessing.get_context("fork")
    attacks = forking.Value("L", 0)
    process = forking.Process(target=_attack, args=(attack, target, attacks), daemon=True)
    process.start()
    try:
        yield attacks
    finally:
        process.kill()
        process.join()


def measure(name: str, program: FrontProgram, place: Place, seconds: float) -> bool:
    """Print what a good client meets in this company; True if that is allowed."""
    with Front(program, place) as front:
        port = front.port("EC")
        good = partial(Clients, port, RATE)
        good(50).run()  # the first ones find nothing in any cache
        quiet = good(int(RATE * seconds)).run()
        with attacked(ATTACKS[name], Target(port, place.folder)) as attacks:
            before, began = usage.cpu_time(front.pid), time.monotonic()
            time.sleep(0.5)
            loud = good(int(RATE * seconds)).run()
            busy = (usage.cpu_time(front.pid) - before).total / (time.monotonic() - began)
    p50, p99 = loud.percentile(0.5), loud.percentile(0.99)
    print(
        f"{program.name}, {name}: alone p50 {quiet.percentile(0.5):.1f} ms, p99 {quiet.percentile(0.99):.1f} ms; "
        f"in company {p50:.1f} ms, {p99:.1f} ms, {loud.failed} failed; "
        f"{attacks.value} attacks, and {busy:.0%} of the front's core is busy",
        flush=True,
    )
    return not loud.failed and p99 <= LIMIT_SECONDS * 1000


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.company", description=__doc__.splitlines()[1])
    parser.add_argument("--seconds", type=float, default=20.0, help="alone, and in company (default %(default)s)")
    only.add_option(parser, ATTACKS)
    parser.add_argument("--haproxy", action="store_true", help="also of HAProxy, to compare")
    options = parser.parse_args(arguments)
    programs.require()
    go_first()
    with tempfile.TemporaryDirectory() as made:
        place = fronts.prepare(Path(made))
        good = []
        for name in options.only:
            if options.haproxy:
                measure(name, fronts.HAPROXY, place, options.seconds)
            good.append(measure(name, fronts.MAILPROXY, place, options.seconds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
