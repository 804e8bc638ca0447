"""
What the PROXY protocol codec costs beside two others: ``python -m benchmarks.codec`` (docs/benchmarks.md tells how to
read it).

The others are proxy-protocol from PyPI, with the C extension that it verifies checksums with, and Twisted's parsers.
"""

from __future__ import annotations

import argparse
import platform
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_address
from statistics import median
from timeit import Timer
from typing import Any

from attrs import frozen

# Private: the public wrapper does more than parse.
from twisted.protocols.haproxy._v1parser import V1Parser
from twisted.protocols.haproxy._v2parser import V2Parser

from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, TlvType, decode, encode

TARGET = 1.0
"""The least ratio: their cost divided by ours."""

OURS, PROXY_PROTOCOL, TWISTED = "mailproxy", "proxy-protocol", "Twisted"

_OTHERS = ("proxyprotocol", "crc32c")
_MISSING = "missing for this benchmark: python -m pip install --group benchmarks"
_SECONDS_PER_SAMPLE = 0.02
_MICROSECONDS = 1e6

Task = Callable[[], Any]
"""One unit of work; returns the facts it learnt, or the bytes it made."""


@frozen
class Job:
    """The same work, done by each library that can do it."""

    name: str
    tasks: Mapping[str, Task]


@frozen
class Row:
    """What a job costs: median microseconds by library, and the ratio of each other one to ours."""

    name: str
    costs: Mapping[str, float]
    ratios: Mapping[str, float]

    @property
    def misses(self) -> bool:
        """Whether another library is cheaper."""
        return any(ratio < TARGET for ratio in self.ratios.values())


_SOURCE, _DESTINATION = ("192.0.2.123", 40123), ("198.51.100.9", 993)
_SOURCE6, _DESTINATION6 = ("2001:db8:85a3::8a2e:370:7334", 40123), ("2001:db8::9", 993)

_ALPN, _AUTHORITY = b"imap", "mail.example.test"
_VERSION, _CIPHER, _COMMON_NAME = "TLSv1.3", "TLS_AES_256_GCM_SHA384", "alice@example.test"
_CLIENT = SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS


def _inet(host: str, port: int) -> InetAddress:
    return InetAddress(ip_address(host), port)


def _tlvs(*, checked: bool = False) -> tuple[Tlv, ...]:
    fields = ((SslType.VERSION, _VERSION), (SslType.CN, _COMMON_NAME), (SslType.CIPHER, _CIPHER))
    ssl = SslTlv(_CLIENT, 0, tuple(Tlv(type, text.encode()) for type, text in fields))
    checksum = (Tlv(TlvType.CRC32C, bytes(4)),) if checked else ()
    # In the order of their types: proxy-protocol verifies the checksum of the header as it would write it.
    return Tlv(TlvType.ALPN, _ALPN), Tlv(TlvType.AUTHORITY, _AUTHORITY.encode()), *checksum, ssl.tlv()


def jobs() -> list[Job]:
    """Return everything that is measured; ImportError without proxy-protocol."""
    v4, v6 = (_inet(*_SOURCE), _inet(*_DESTINATION)), (_inet(*_SOURCE6), _inet(*_DESTINATION6))
    secured, checked = Header.proxy(*v4, _tlvs()), Header.proxy(*v4, _tlvs(checked=True))
    return [
        _decoding("decode v1 TCP4", Header.proxy(*v4, version=1), V1Parser),
        _decoding("decode v1 TCP6", Header.proxy(*v6, version=1), V1Parser),
        _decoding("decode v2 INET", Header.proxy(*v4), V2Parser),
        _decoding("decode v2 INET6", Header.proxy(*v6), V2Parser),
        _decoding("decode v2 with SSL TLVs, addresses read", secured, V2Parser),
        _decoding_facts("decode v2 with SSL TLVs, facts read", secured),
        _decoding_facts("decode v2 with SSL TLVs and CRC32C, facts read", checked),
        *_encoding(v4, v6),
    ]


def _decoding(name: str, header: Header, parser: type[V1Parser | V2Parser]) -> Job:
    """Read the addresses as the library has them: Twisted has text, the others what ``ipaddress`` makes."""
    from proxyprotocol.detect import ProxyProtocolDetect

    data = encode(header).data
    detect = ProxyProtocolDetect()

    def ours() -> Any:
        header: Any = decode(data)
        source, destination = header.source, header.destination
        return source.host, source.port, destination.host, destination.port

    def proxy_protocol() -> Any:
        result: Any = detect.unpack(data)
        source, destination = result.source, result.dest
        return source[0], source[1], destination[0], destination[1]

    def twisted() -> Any:
        info: Any = parser().feed(data)[0]
        source, destination = info.source, info.destination
        return source.host, source.port, destination.host, destination.port

    return Job(name, {OURS: ours, PROXY_PROTOCOL: proxy_protocol, TWISTED: twisted})


def _decoding_facts(name: str, header: Header) -> Job:
    """Read the addresses, ALPN, the server's name, and four facts of TLS; Twisted does not read TLVs."""
    from proxyprotocol.detect import ProxyProtocolDetect

    data = encode(header).data
    detect = ProxyProtocolDetect()

    def ours() -> Any:
        header: Any = decode(data)
        source, destination, ssl = header.source, header.destination, header.ssl
        addresses = source.host, source.port, destination.host, destination.port
        tls = ssl.version, ssl.cipher, ssl.common_name, ssl.has_verified_certificate
        return *addresses, header.alpn, header.authority, *tls

    def proxy_protocol() -> Any:
        result: Any = detect.unpack(data)
        source, destination, tlv = result.source, result.dest, result.tlv
        ssl = tlv.ssl
        addresses = source[0], source[1], destination[0], destination[1]
        tls = ssl.version, ssl.cipher, ssl.cn, (ssl.has_cert_conn or ssl.has_cert_sess) and ssl.verified
        return *addresses, tlv.alpn, tlv.authority, *tls

    return Job(name, {OURS: ours, PROXY_PROTOCOL: proxy_protocol})


def _encoding(v4: tuple[InetAddress, InetAddress], v6: tuple[InetAddress, InetAddress]) -> Iterator[Job]:
    """Write headers that are made already, and one that is made from addresses and facts first."""
    from proxyprotocol.result import ProxyResultIPv4, ProxyResultIPv6
    from proxyprotocol.tlv import ProxyProtocolSSLTLV, ProxyProtocolTLV
    from proxyprotocol.v1 import ProxyProtocolV1
    from proxyprotocol.v2 import ProxyProtocolV2

    first, second = ProxyProtocolV1(), ProxyProtocolV2()
    stream = socket.SOCK_STREAM

    def made() -> Header:
        return Header.proxy(_inet(*_SOURCE), _inet(*_DESTINATION), _tlvs(checked=True))

    def made_by_others() -> Any:
        ssl = ProxyProtocolSSLTLV(
            has_ssl=True,
            has_cert_conn=True,
            has_cert_sess=True,
            verified=True,
            version=_VERSION,
            cn=_COMMON_NAME,
            cipher=_CIPHER,
        )
        source, destination = (IPv4Address(_SOURCE[0]), _SOURCE[1]), (IPv4Address(_DESTINATION[0]), _DESTINATION[1])
        tlv = ProxyProtocolTLV(alpn=_ALPN, authority=_AUTHORITY, ssl=ssl)
        return ProxyResultIPv4(source, destination, protocol=stream, tlv=tlv)

    line, line6 = Header.proxy(*v4, version=1), Header.proxy(*v6, version=1)
    plain, secured = Header.proxy(*v4), made()
    source, destination = (IPv4Address(_SOURCE[0]), _SOURCE[1]), (IPv4Address(_DESTINATION[0]), _DESTINATION[1])
    source6, destination6 = (IPv6Address(_SOURCE6[0]), _SOURCE6[1]), (IPv6Address(_DESTINATION6[0]), _DESTINATION6[1])
    result, result6 = ProxyResultIPv4(source, destination, protocol=stream), ProxyResultIPv6(source6, destination6)
    secured_result = made_by_others()
    yield Job("encode v1 TCP4", {OURS: lambda: encode(line).data, PROXY_PROTOCOL: lambda: first.pack(result)})
    yield Job("encode v1 TCP6", {OURS: lambda: encode(line6).data, PROXY_PROTOCOL: lambda: first.pack(result6)})
    # Without a checksum proxy-protocol cannot write, once the extension is there that computes it.
    yield Job(
        "encode v2 INET with CRC32C",
        {OURS: lambda: encode(plain, crc32c=True).data, PROXY_PROTOCOL: lambda: second.pack(result)},
    )
    yield Job(
        "encode v2 with SSL TLVs and CRC32C",
        {OURS: lambda: encode(secured).data, PROXY_PROTOCOL: lambda: second.pack(secured_result)},
    )
    yield Job(
        "make and encode v2 with SSL TLVs and CRC32C",
        {OURS: lambda: encode(made()).data, PROXY_PROTOCOL: lambda: second.pack(made_by_others())},
    )


def measure(job: Job, rounds: int, seconds: float) -> Row:
    """Let the libraries work in turns, each about as long as the others; ratios are taken within a round."""
    timers = {name: Timer(task, timer=time.thread_time) for name, task in job.tasks.items()}
    numbers = {name: _number(timer, seconds) for name, timer in timers.items()}
    taken: list[dict[str, float]] = []
    for turn in range(rounds):
        names = list(timers) if turn % 2 else list(reversed(timers))
        taken.append({name: timers[name].timeit(numbers[name]) / numbers[name] for name in names})
    return Row(
        job.name,
        {name: median(costs[name] for costs in taken) * _MICROSECONDS for name in timers},
        {name: median(costs[name] / costs[OURS] for costs in taken) for name in timers if name != OURS},
    )


def _number(timer: Timer, seconds: float) -> int:
    """Return how often a task fits into this time, at least once."""
    few = 100
    return max(1, int(seconds / (timer.timeit(few) / few)))


def table(rows: list[Row]) -> Iterator[str]:
    """Write rows in lines."""
    width = max(len(row.name) for row in rows)
    others = (PROXY_PROTOCOL, TWISTED)
    yield f"{'µs of CPU time':{width}} {OURS:>10}" + "".join(f" {name:>15} {'ratio':>6}" for name in others)
    for row in rows:
        cells = [
            f" {row.costs[name]:15.2f} {row.ratios[name]:6.2f}" if name in row.costs else f" {'':15} {'':6}"
            for name in others
        ]
        yield f"{row.name:{width}} {row.costs[OURS]:10.2f}{''.join(cells)}" + ("  missed" if row.misses else "")


def disagreements(job: Job) -> Iterator[str]:
    """Name the libraries that learn something else from the same bytes, or make other bytes of the same facts."""
    learnt = {name: _comparable(task()) for name, task in job.tasks.items()}
    yield from (
        f"{job.name}: {name} has {facts}, mailproxy {learnt[OURS]}"
        for name, facts in learnt.items()
        if facts != learnt[OURS]
    )


def _comparable(facts: Any) -> Any:
    """Return facts with addresses that compare: Twisted does not shorten those of IPv6."""
    if isinstance(facts, bytes):
        return facts
    return tuple(ip_address(fact) if isinstance(fact, str) and at in (0, 2) else fact for at, fact in enumerate(facts))


def main() -> int:
    """Print the table; 0 even when a ratio is missed: the machine may be busy."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.codec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is measured (default %(default)s)")
    arguments = parser.parse_args()
    if any(find_spec(other) is None for other in _OTHERS):
        print(_MISSING, file=sys.stderr)
        return 1
    todo = jobs()
    if wrong := [line for job in todo for line in disagreements(job)]:
        print("the libraries disagree:", *wrong, sep="\n", file=sys.stderr)
        return 1
    print(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {arguments.rounds} rounds")
    for line in table([measure(job, arguments.rounds, _SECONDS_PER_SAMPLE) for job in todo]):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
