"""
What a connection behind a PROXY header costs beside Twisted's own wrapper: ``python -m benchmarks.wrapper``.

docs/benchmarks.md tells how to read it. Nothing but Twisted is needed.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport

# Private: the public way is an endpoint, and makes this of it.
from twisted.protocols.haproxy._wrapper import HAProxyWrappingFactory
from twisted.python.failure import Failure

from benchmarks.codec import OURS, TWISTED, Job, Row, measure
from mailproxy.endpoints import AcceptPolicy, AcceptProxyFactory
from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, encode

TARGET = 1.3
"""How much more a connection may cost than with Twisted's wrapper, which has no timeout and reads no TLVs."""

# A turn of the reactor has more than one connection, when there are enough for this to count.
_PER_TURN = 20
_SECONDS_PER_SAMPLE = 0.05

_PROXY = IPv4Address("TCP", "10.0.0.7", 40000)
_LISTENING = IPv4Address("TCP", "10.0.0.1", 143)
_SOURCE, _DESTINATION = InetAddress.parse("192.0.2.123:40123"), InetAddress.parse("198.51.100.9:993")
_SSL = SslTlv(SslClient.SSL, 1, (Tlv(SslType.VERSION, b"TLSv1.3"),)).tlv()
_DONE = Failure(ConnectionDone())

HEADERS = {
    "v1": Header.proxy(_SOURCE, _DESTINATION, version=1),
    "v2": Header.proxy(_SOURCE, _DESTINATION),
    "v2 with SSL TLV": Header.proxy(_SOURCE, _DESTINATION, (_SSL,)),
}


class _Echo(Protocol):
    """Reads the client's address, and echoes all bytes."""

    transport: Any

    def dataReceived(self, data: bytes) -> None:
        self.transport.getPeer()
        self.transport.write(data)


def jobs() -> list[Job]:
    """Return a connection behind each kind of header."""
    echo = Factory.forProtocol(_Echo)
    echo.noisy = False
    ours = AcceptProxyFactory(echo, AcceptPolicy(trusted=["10.0.0.0/8"]))
    twisted = HAProxyWrappingFactory(echo)
    return [_job(name, encode(header).data, {OURS: ours, TWISTED: twisted}) for name, header in HEADERS.items()]


def _job(name: str, header: bytes, factories: dict[str, Any]) -> Job:
    def task(factory: Any) -> Any:
        def connections() -> bytes:
            for _ in range(_PER_TURN):
                transport = StringTransport(_LISTENING, _PROXY)
                protocol = factory.buildProtocol(_PROXY)
                protocol.makeConnection(transport)
                protocol.dataReceived(header)
                protocol.dataReceived(b"a NOOP\r\n")
                protocol.connectionLost(_DONE)
            reactor.runUntilCurrent()  # type: ignore[attr-defined]  # forgets the timeouts that did not pass
            sent: bytes = transport.value()
            return sent

        return connections

    return Job(name, {library: task(factory) for library, factory in factories.items()})


def line(row: Row) -> str:
    """Write one row: microseconds of a connection, and how much more ours costs."""
    ours, twisted = (row.costs[library] / _PER_TURN for library in (OURS, TWISTED))
    more = 1 / row.ratios[TWISTED]
    return f"{row.name:16} {ours:10.2f} {twisted:10.2f} {more:6.2f}" + ("  missed" if more > TARGET else "")


def main() -> int:
    """Print the table; 0 even when the target is missed: the machine may be busy."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wrapper", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is measured (default %(default)s)")
    arguments = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {arguments.rounds} rounds")
    print(f"{'µs of CPU time':16} {OURS:>10} {TWISTED:>10} {'ours':>6}")
    for job in jobs():
        print(line(measure(job, arguments.rounds, _SECONDS_PER_SAMPLE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
