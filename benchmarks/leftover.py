"""
What many slow handshakes leave behind: ``python -m benchmarks.leftover``.

Thousands of clients send a ClientHello, get the answer, and say no more; then all leave. Freed memory stays with the
process until mailproxy gives it back to the system (`mailproxy.front.trimming`), up to a minute later.
"""

from __future__ import annotations

import argparse
import re
import socket
import ssl
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import programs
from benchmarks.certificates import SERVER_NAME, make_certificates
from benchmarks.floods import front
from benchmarks.usage import memory

_PATIENCE_SECONDS = 120.0

# The handshakes of one address: its ports are not all free.
_PER_ADDRESS = 3000

_TRIMMED = re.compile(r"memory given back to the system in (\S+) ms")


def hello() -> bytes:
    """Return a ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=SERVER_NAME)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a server")


def main(arguments: list[str]) -> int:
    """Measure and print; return 1 if nothing was given back."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leftover", description=__doc__.splitlines()[1])
    parser.add_argument("--handshakes", type=int, default=9000, help="default %(default)s")
    count = parser.parse_args(arguments).handshakes
    programs.require()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        make_certificates(folder)
        programs.compile_into(folder)
        with front(folder, '[log]\nlevel = "debug"') as (port, process):
            time.sleep(2.0)
            before = memory(process)
            _handshakes(port, count)
            left = memory(process)
            milliseconds = _await_trim(folder / "log")
            after = memory(process)
    print(f"{count} unfinished handshakes: {(left - before) / 1e6:.0f} MB more when they have left,")
    print(f"{(after - before) / 1e6:.0f} MB once memory was given back, which took {milliseconds} ms")
    return 0 if after < left else 1


def _handshakes(port: int, count: int) -> None:
    data = hello()
    socks = []
    for number in range(count):
        sock = socket.create_connection(("127.0.0.1", port), 30.0, (f"127.0.0.{2 + number // _PER_ADDRESS}", 0))
        sock.sendall(data)
        socks.append(sock)
    for sock in socks:
        sock.recv(65536)
    time.sleep(6.0)  # until mailproxy has looked at how many there are
    for sock in socks:
        sock.close()
    time.sleep(0.5)


def _await_trim(log: Path) -> str:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := _TRIMMED.search(log.read_text()):
            return found[1]
        time.sleep(0.5)
    return "?"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
