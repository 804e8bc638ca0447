"""What a scrape of a big service costs: 50 frontends, 100 servers, all with numbers of a busy day."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from mailproxy.backend.numbers import SERVER
from mailproxy.config import Backend, Check, Config, Frontend, InetBind, InetServer, Server, TlsProfile
from mailproxy.counting.page import Numbers, Pages
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.metrics.collector import ServiceCollector
from mailproxy.metrics.exposition import OPEN_METRICS, PROMETHEUS, Format, write
from mailproxy.process.counts import MainCounts
from mailproxy.service import ProxyService
from mailproxy.session.numbers import CIPHERS, ENDED, FRONTEND, GROUPS, TLVS_WITHOUT_ROOM
from mailproxy.transport.poller import Poller
from mailproxy.web.metrics import KEPT_SECONDS
from tests.web.bench import Web

FRONTENDS = 50
SERVERS_PER_BACKEND = 10
BACKENDS = 10
WORKERS = 4
SCRAPE_SECONDS = 5.0
ROUNDS = 20

LOOPBACK = ip_address("127.0.0.1")


class _Reactor(Clock):
    """A reactor whose clock stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.poller = Poller(self.seconds)


def configuration(folder: Path) -> Config:
    """Make a configuration with many frontends and servers."""
    return Config(
        tls={"default": TlsProfile(name="default", certificates=(str(folder / "mail.pem"),))},
        frontends=tuple(
            Frontend(
                name=f"frontend-{number}",
                bind=(InetBind(LOOPBACK, 0),),
                protocol="imap" if number % 2 else "submission",
                tls="starttls" if number % 4 else "implicit",
                backend=f"backend-{number % BACKENDS}",
                capabilities=("IMAP4rev1",) if number % 2 else ("PIPELINING",),
            )
            for number in range(FRONTENDS)
        ),
        backends={
            f"backend-{number}": Backend(
                name=f"backend-{number}",
                send_proxy="v2",
                servers=tuple(
                    Server(name=f"server-{one}", address=InetServer(LOOPBACK, 1), check=Check(type="tcp"))
                    for one in range(SERVERS_PER_BACKEND)
                ),
            )
            for number in range(BACKENDS)
        },
    )


def fill(numbers: Numbers, rare: frozenset[int], chosen: random.Random) -> None:
    """Count something of everything that is usual, and a few of what has many keys."""
    for index in range(len(numbers)):
        if index not in rare or chosen.random() < 0.1:
            numbers[index] = chosen.randrange(1, 10**9)


def make_service(folder: Path) -> ProxyService:
    """Make a service as a main process has it, with the numbers of its workers."""
    counts = MainCounts(Pages(WORKERS))
    prepared = prepare(configuration(folder), "here", ProcessState(counts))
    service = ProxyService(prepared, _Reactor())
    chosen = random.Random(1)
    rare = frozenset(index for table in (CIPHERS, GROUPS, TLVS_WITHOUT_ROOM) for index in table.values())
    rare |= frozenset(ENDED.values())
    for name, (first, length) in counts.places.copy().items():
        kind = FRONTEND.length if name.startswith("counter frontend") else SERVER.length
        if length == kind:
            for page in counts.pages.all:
                fill(page[first : first + length], rare if kind == FRONTEND.length else frozenset(), chosen)
    return service


def measured(work: Callable[[], Any]) -> float:
    """Return the least CPU time of several runs, in seconds: others use the machine as well."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def report(folder: Path) -> str:
    """Measure, and return what was measured, in lines."""
    service = make_service(folder)
    collector = ServiceCollector(service)
    samples = sum(len(metric.samples) for metric in collector.collect())
    lines = [
        f"{FRONTENDS} frontends, {BACKENDS * SERVERS_PER_BACKEND} servers, {WORKERS} workers: {samples} samples",
        f"{'format':<12}{'bytes':>10}{'ms':>8}{'% of a core':>13}{'longest ms':>12}",
    ]
    for name, format in (("text", PROMETHEUS), ("OpenMetrics", OPEN_METRICS)):
        size = sum(map(len, write(collector.parts(), format)))
        seconds = measured(lambda format=format: list(write(collector.parts(), format)))  # type: ignore[misc]
        lines.append(
            f"{name:<12}{size:>10}{seconds * 1000:>8.1f}{seconds / SCRAPE_SECONDS * 100:>13.2f}"
            f"{longest_step(collector, format) * 1000:>12.2f}"
        )
    lines.append(f"over HTTP, text: {over_http(service) * 1000:.1f} ms")
    service.loop.poller.close()
    return "\n".join(lines)


def over_http(service: ProxyService) -> float:
    """Return the CPU time of a whole request, in seconds, with its turns and the pieces of its reply."""
    clock: Any = service._reactor  # noqa: SLF001  # it stands still but for this
    web = Web(service, clock, globalLogPublisher)

    def fetch() -> None:
        clock.advance(KEPT_SECONDS)
        client: Any = web.client()
        client.channel.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while not client.transport.value().endswith(b"\r\n0\r\n\r\n"):
            clock.advance(0.01)

    return measured(fetch)


def longest_step(collector: ServiceCollector, format: Format) -> float:
    """Return the CPU time of the longest piece of work between two looks at other events, in seconds."""
    rounds: list[list[float]] = []
    for _ in range(ROUNDS):
        pieces = write(collector.parts(), format)
        steps: list[float] = []
        while True:
            began = time.process_time()
            try:
                next(pieces)
            except StopIteration:
                break
            steps.append(time.process_time() - began)
        rounds.append(steps)
    least: list[float] = [min(times) for times in zip(*rounds, strict=True)]
    return max(least)


def main() -> None:
    """Print it."""
    from tests.tls.issue import issue

    with TemporaryDirectory() as folder:
        certificate = Path(folder) / "mail.pem"
        certificate.write_bytes(issue("mail.example").pem)
        certificate.chmod(0o600)
        print(report(Path(folder)))


if __name__ == "__main__":
    main()
