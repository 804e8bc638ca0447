"""The gate of banned clients."""

from ipaddress import ip_address, ip_network

import pytest

from mailproxy.bans.bans import BanChange
from mailproxy.bans.gate import BanGate
from mailproxy.bans.request import BanRequest
from mailproxy.networks.network_list import NetworkList
from mailproxy.networks.network_set import NetworkSet
from mailproxy.session.gate import Rejection
from tests.bans.builders import ban, key

ADDRESS = ip_address("192.0.2.7").packed
OTHER = ip_address("192.0.2.8").packed


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> BanGate:
    return BanGate(clock)


def test_banned_client_is_rejected_until_the_end(gate: BanGate, clock: Clock) -> None:
    gate.change(BanChange((ban("192.0.2.7", end=10.0),)))
    assert gate.judge(ADDRESS) == Rejection("banned", "banned by ctl: spam")
    assert gate.judge(OTHER) is None
    clock.now = 10.0
    assert gate.judge(ADDRESS) is None


def test_nobody_needs_a_look_up_without_bans_and_lists(gate: BanGate) -> None:
    assert gate.is_idle
    gate.change(BanChange((ban("192.0.2.7"),)))
    assert not gate.is_idle
    gate.change(BanChange((), (key("192.0.2.7"),)))
    assert gate.is_idle
    gate.lists = (NetworkList("drop.txt"),)
    assert not gate.is_idle


def test_look_ups_end_with_the_last_ban(gate: BanGate) -> None:
    gate.change(BanChange((ban("192.0.2.7", end=10.0),)))
    gate.table.expire(10.0, 1)
    assert gate.is_idle


def test_ban_needs_no_reason(gate: BanGate) -> None:
    gate.change(BanChange((ban("192.0.2.7", reason="", origin="crowdsec"),)))
    assert gate.judge(ADDRESS) == Rejection("banned", "banned by crowdsec")


def test_unbanned_client_is_let_in(gate: BanGate) -> None:
    gate.change(BanChange((ban("192.0.2.7"),)))
    gate.change(BanChange((), (key("192.0.2.7"),)))
    assert not gate.banned(ADDRESS)


def test_client_of_a_listed_network_is_rejected(gate: BanGate) -> None:
    gate.lists = (NetworkList("drop.txt", NetworkSet.of([ip_network("192.0.2.0/29")])),)
    assert gate.judge(ADDRESS) == Rejection("banned", "banned by the list drop.txt")
    assert gate.judge(OTHER) is None


def test_exempt_client_is_never_rejected(gate: BanGate) -> None:
    asked: list[BanRequest] = []
    gate.ask = asked.append
    gate.lists = (NetworkList("drop.txt", NetworkSet.of([ip_network("192.0.2.0/24")])),)
    gate.change(BanChange((ban("192.0.2.7"),)))
    gate.exempt = NetworkSet.of([ip_network("192.0.2.7"), ip_network("192.0.2.8")])
    assert not gate.banned(ADDRESS)
    assert not gate.banned(OTHER)
    gate.ban(ADDRESS, 60.0, "spam")
    assert asked == []


def test_rule_asks_for_a_ban(gate: BanGate) -> None:
    asked: list[BanRequest] = []
    gate.ask = asked.append
    gate.ban(ADDRESS, 60.0, "rule office")
    assert asked == [BanRequest(ADDRESS, 60.0, "rule office")]


def test_process_without_a_service_bans_nobody(gate: BanGate) -> None:
    gate.ban(ADDRESS, 60.0, "rule office")
    assert not gate.banned(ADDRESS)


def test_ended_bans_leave_the_table_with_later_changes(gate: BanGate, clock: Clock) -> None:
    gate.change(BanChange((ban("192.0.2.7", end=10.0),)))
    clock.now = 10.0
    assert len(gate.table) == 1
    gate.change(BanChange((ban("192.0.2.8", end=20.0),)))
    assert [one.place for one in gate.table] == ["192.0.2.8"]
