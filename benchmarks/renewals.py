"""
What thousands of certificates cost: ``python -m benchmarks.renewals`` (docs/certificates.md has its figures).

It measures the start, a look-up by server name, a look at files that have not changed, and a renewal of one: how many
files it reads, and for how long it keeps the reactor's thread from other work at most. Times are those of this thread
on the CPU, whatever else the machine has to do.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from time import thread_time
from timeit import timeit

from twisted.internet.task import Clock

from mailproxy.config import parse
from mailproxy.front.collector import quiet_collector
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.renewals import Renewals, Renewed
from mailproxy.tls.source import Content, read_content
from mailproxy.tls.store import CertificateStore
from tests.tls.issue import Issued, issue

MAX_SECONDS_TO_START = 10.0

FILE = """
[tls.default]
certificates = ["*.pem"]

[frontend.imap]
bind = ["127.0.0.1:0"]
protocol = "imap"
tls = "implicit"
backend = "dovecot"

[backend.dovecot]
server.d1.address = "127.0.0.1:1"
"""


class Loop(Clock):
    """A clock that calls what is due at once, and measures each call."""

    longest = 0.0
    total = 0.0

    def run(self) -> None:
        """Call until nothing is left that is due within a second."""
        while self.getDelayedCalls() and self.getDelayedCalls()[0].getTime() < self.seconds() + 1:
            begin = thread_time()
            self.advance(max(self.getDelayedCalls()[0].getTime() - self.seconds(), 0))
            spent = thread_time() - begin
            self.total += spent
            self.longest = max(self.longest, spent)


class CountingStore(CertificateStore):
    """A store that counts the certificates that it reads from disk."""

    def __init__(self) -> None:
        super().__init__(read=self._count)
        self.reads = 0

    def _count(self, path: str) -> Content:
        self.reads += 1
        return read_content(path)


def main(arguments: list[str]) -> int:
    """Measure, print and return 1 if the start took too long."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.renewals", description=__doc__.splitlines()[1])
    parser.add_argument("--names", type=int, default=5000, help="how many certificates (default %(default)s)")
    names = parser.parse_args(arguments).names
    with TemporaryDirectory() as folder:
        authority = issue(common_name="authority", authority=True)
        for number in range(names):
            _write(Path(folder), number, issue(f"mail{number}.example.org", issuer=authority), authority)
        return _measure(Path(folder), names, authority)


def _write(folder: Path, number: int, issued: Issued, authority: Issued) -> None:
    new = folder / f".{number}"
    new.write_bytes(issued.pem + authority.certificate_pem)
    new.replace(folder / f"{number:05}.pem")


def _measure(folder: Path, names: int, authority: Issued) -> int:
    settings, process_state, loop = parse(FILE, folder), ProcessState(), Loop()
    process_state.certificates = store = CountingStore()
    before = _peak_kib()
    begin = thread_time()
    prepared = prepare(settings, process_state=process_state)
    prepared.adopt()
    quiet_collector()
    start = thread_time() - begin
    print(f"{names} certificates, from files to a front that could listen: {start:.2f} s of CPU")
    print(f"memory: {(_peak_kib() - before) / names:.1f} KiB per certificate")
    tls = prepared.frontends[0].terms.tls
    assert tls is not None
    contexts = tls.contexts
    asked = [f"mail{random.randrange(names)}.example.org" for _ in range(1000)]
    for name in asked:
        contexts.for_name(name)
    each = timeit(lambda: [contexts.for_name(name) for name in asked], number=100) / 100 / len(asked)
    print(f"look-up by server name: {each * 1e6:.2f} us")
    renewals = Renewals(process_state, loop)
    renewals.follow(settings, 0)
    # The files are new: what changed within two seconds before it was read is read again.
    _check(renewals, loop, store)
    _tell("look without a change", *_check(renewals, loop, store), loop)
    _write(folder, names // 2, issue(f"mail{names // 2}.example.org", issuer=authority), authority)
    _tell("renewal of one", *_check(renewals, loop, store), loop)
    _write(folder, names, issue("new.example.org", issuer=authority), authority)
    _tell("one more", *_check(renewals, loop, store), loop)
    return 0 if start < MAX_SECONDS_TO_START else 1


def _peak_kib() -> int:
    return getrusage(RUSAGE_SELF).ru_maxrss


def _check(renewals: Renewals, loop: Loop, store: CountingStore) -> tuple[int, Renewed]:
    loop.longest = loop.total = 0.0
    told: list[Renewed] = []
    before = store.reads
    begin = thread_time()
    renewals.check(is_asked=False).addCallback(told.append)
    loop.longest = thread_time() - begin
    while not told:
        loop.run()
    return store.reads - before, told[0]


def _tell(what: str, reads: int, renewed: Renewed, loop: Loop) -> None:
    print(
        f"{what}: {reads} certificates read, {len(renewed.changes)} renewed or new, "
        f"{loop.total * 1000:.0f} ms of CPU in all, {loop.longest * 1000:.1f} ms at a time at most"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
