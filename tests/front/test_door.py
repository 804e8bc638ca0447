"""The gates that are asked before a client has a session."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network
from socket import inet_aton

import pytest

from mailproxy.proxyprotocol import Header, InetAddress, encode
from mailproxy.session.addresses import packed_source
from mailproxy.session.gate import Rejection
from tests.session.bench import Bench
from tests.session.conftest import MakeBench

LOOPBACK = (ip_network("127.0.0.0/8"),)
ALICE = InetAddress.parse("192.0.2.9:4711")


class Gate:
    """A gate that rejects some addresses."""

    def __init__(self, *rejected: str) -> None:
        self.rejected = {packed_source(host) for host in rejected}
        self.asked: list[bytes] = []
        self.is_idle = False

    def judge(self, source: bytes) -> Rejection | None:
        self.asked.append(source)
        return Rejection("banned", "banned by hand") if source in self.rejected else None


def lines(bench: Bench, kind: str) -> Collection[str]:
    return [event["line"] for event in bench.events if event.get("event") == kind]


def test_rejected_client_is_closed_without_a_session(make: MakeBench) -> None:
    bench = make(gates=[Gate("127.0.0.2")])
    client = bench.client("127.0.0.2")
    bench.until(lambda: client.fin)
    assert not bench.frontend.sessions
    assert (bench.frontend.counters.connections, bench.frontend.counters.rejected) == (0, 1)
    assert bench.frontend.totals.tables["gates"]["banned"] == 1
    assert bench.capacity.sessions == 0


def test_line_names_client_and_reason(make: MakeBench) -> None:
    bench = make(gates=[Gate("127.0.0.2")])
    client = bench.client("127.0.0.2")
    bench.until(lambda: client.fin)
    port = client.socket.getsockname()[1]
    assert lines(bench, "rejected") == [f'frontend=front client=127.0.0.2:{port} gate=banned reason="banned by hand"']


def test_flood_has_few_lines(make: MakeBench) -> None:
    bench = make(gates=[Gate("127.0.0.2")])
    clients = [bench.client("127.0.0.2") for _ in range(9)]
    bench.until(lambda: all(client.fin for client in clients))
    assert len(lines(bench, "rejected")) == 5
    assert bench.frontend.counters.rejected == 9


def test_other_clients_come_in(make: MakeBench) -> None:
    gate = Gate("127.0.0.2")
    bench = make(gates=[gate])
    bench.relay()
    assert gate.asked == [inet_aton("127.0.0.1")]


def test_every_gate_is_asked_until_one_rejects(make: MakeBench) -> None:
    gates = [Gate(), Gate("127.0.0.1"), Gate()]
    bench = make(gates=gates)
    client = bench.client()
    bench.until(lambda: client.fin)
    assert [len(gate.asked) for gate in gates] == [1, 1, 0]


def test_idle_gates_are_not_asked_until_one_has_work(make: MakeBench) -> None:
    gates = [Gate("127.0.0.1"), Gate()]
    for gate in gates:
        gate.is_idle = True
    bench = make(gates=gates)
    bench.relay()
    assert [len(gate.asked) for gate in gates] == [0, 0]
    gates[0].is_idle = False
    client = bench.client()
    bench.until(lambda: client.fin)
    assert len(gates[0].asked) == 1


def test_idle_gates_are_not_asked_about_clients_behind_a_proxy(make: MakeBench) -> None:
    gate = Gate(str(ALICE.host))
    gate.is_idle = True
    bench = make(gates=[gate], accept_proxy=LOOPBACK)
    bench.client().send(encode(Header.proxy(ALICE, ALICE)).data)
    bench.until(lambda: bench.frontend.counters.headers)
    assert gate.asked == []


@pytest.mark.parametrize("key", ["accept_proxy", "accept_proxy_optional"])
def test_client_behind_a_proxy_is_judged_by_the_header(make: MakeBench, key: str) -> None:
    gate = Gate(str(ALICE.host))
    bench = make(gates=[gate], **{key: LOOPBACK})
    client = bench.client()
    client.send(encode(Header.proxy(ALICE, ALICE)).data)
    bench.until(lambda: client.fin)
    assert gate.asked == [ALICE.host.packed]
    assert bench.over()["termination"] == "PR"
    assert bench.frontend.counters.rejected == 1


def test_client_without_the_optional_header_is_judged_by_its_own_address(make: MakeBench) -> None:
    gate = Gate("127.0.0.1")
    bench = make(gates=[gate], accept_proxy_optional=LOOPBACK)
    client = bench.client()
    client.send(b"a NOOP\r\n")
    bench.until(lambda: bench.frontend.counters.rejected)
    assert gate.asked == [inet_aton("127.0.0.1")]


def test_proxy_that_connects_for_itself_has_no_gate(make: MakeBench) -> None:
    gate = Gate("127.0.0.1")
    bench = make(gates=[gate], accept_proxy=LOOPBACK)
    client = bench.client()
    client.send(encode(Header.local()).data)
    bench.settle()
    assert len(bench.frontend.sessions) == 1
    assert gate.asked == []


def test_unix_socket_has_no_gate(make: MakeBench) -> None:
    gate = Gate()
    make(gates=[gate], bind="unix").relay()
    assert gate.asked == []
