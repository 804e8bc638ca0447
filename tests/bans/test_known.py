"""The gate of banned clients."""

from ipaddress import ip_address, ip_network

import pytest

from mailproxy.bans.bans import BanChange
from mailproxy.bans.known import BanRequest, KnownBans
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
def known(clock: Clock) -> KnownBans:
    return KnownBans(clock)


def test_banned_client_is_rejected_until_the_end(known: KnownBans, clock: Clock) -> None:
    known.change(BanChange((ban("192.0.2.7", end=10.0),)))
    assert known.rejects(ADDRESS) == Rejection("banned", "banned by ctl: spam")
    assert known.rejects(OTHER) is None
    clock.now = 10.0
    assert known.rejects(ADDRESS) is None


def test_nobody_needs_a_look_up_without_bans_and_lists(known: KnownBans) -> None:
    assert known.is_idle
    known.change(BanChange((ban("192.0.2.7"),)))
    assert not known.is_idle
    known.change(BanChange((), (key("192.0.2.7"),)))
    assert known.is_idle
    known.lists = (NetworkList("drop.txt"),)
    assert not known.is_idle


def test_look_ups_end_with_the_last_ban(known: KnownBans) -> None:
    known.change(BanChange((ban("192.0.2.7", end=10.0),)))
    known.table.expire(10.0, 1)
    assert known.is_idle


def test_ban_needs_no_reason(known: KnownBans) -> None:
    known.change(BanChange((ban("192.0.2.7", reason="", origin="crowdsec"),)))
    assert known.rejects(ADDRESS) == Rejection("banned", "banned by crowdsec")


def test_unbanned_client_is_let_in(known: KnownBans) -> None:
    known.change(BanChange((ban("192.0.2.7"),)))
    known.change(BanChange((), (key("192.0.2.7"),)))
    assert not known.banned(ADDRESS)


def test_client_of_a_listed_network_is_rejected(known: KnownBans) -> None:
    known.lists = (NetworkList("drop.txt", NetworkSet.of([ip_network("192.0.2.0/29")])),)
    assert known.rejects(ADDRESS) == Rejection("banned", "banned by the list drop.txt")
    assert known.rejects(OTHER) is None


def test_exempt_client_is_never_rejected(known: KnownBans) -> None:
    asked: list[BanRequest] = []
    known.ask = asked.append
    known.lists = (NetworkList("drop.txt", NetworkSet.of([ip_network("192.0.2.0/24")])),)
    known.change(BanChange((ban("192.0.2.7"),)))
    known.exempt = NetworkSet.of([ip_network("192.0.2.7"), ip_network("192.0.2.8")])
    assert not known.banned(ADDRESS)
    assert not known.banned(OTHER)
    known.ban(ADDRESS, 60.0, "spam")
    assert asked == []


def test_rule_asks_for_a_ban(known: KnownBans) -> None:
    asked: list[BanRequest] = []
    known.ask = asked.append
    known.ban(ADDRESS, 60.0, "rule office")
    assert asked == [BanRequest(ADDRESS, 60.0, "rule office", "rule")]


def test_process_without_a_service_bans_nobody(known: KnownBans) -> None:
    known.ban(ADDRESS, 60.0, "rule office")
    assert not known.banned(ADDRESS)
