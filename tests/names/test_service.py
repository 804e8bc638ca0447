"""SRV records and their targets, with watches that a test sets."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.names.host import Host
from mailproxy.names.message import MAX_RECORDS
from mailproxy.names.question import Question, Target
from mailproxy.names.record import Record
from mailproxy.names.service import Service, ranked
from mailproxy.names.source import Shared
from tests.names.builders import SRV, record
from tests.names.watches import Watches


class Zone:
    """A service, and what DNS says of it and its targets."""

    def __init__(self, *targets: Target, **hosts: str) -> None:
        self.watches = Watches()
        self.service = Service(SRV.name, self.watches, Shared(lambda name: Host(name, self.watches)))
        self.reported: list[Any] = []
        self.service.observers.append(lambda: self.reported.append(self.service.records("ipv4")))
        if targets:
            self.say(*targets)
        for name, addresses in hosts.items():
            self.resolve(name, addresses)

    def say(self, *targets: Target) -> None:
        self.watches.settle(SRV, targets)

    def resolve(self, name: str, addresses: str | None) -> None:
        values = None if addresses is None else tuple(map(ip_address, addresses.split()))
        self.watches.settle(Question(name, "AAAA"), None if values is None else ())
        self.watches.settle(Question(name, "A"), values)

    @property
    def records(self) -> tuple[Record, ...] | None:
        return self.service.records("ipv4")


def target(name: str = "d1", port: int = 143, priority: int = 10, weight: int = 7) -> Target:
    return Target(priority, weight, port, name)


def test_target_is_resolved_and_keeps_its_port_and_weight() -> None:
    assert Zone(target(port=10143), d1="192.0.2.1").records == (record("192.0.2.1", 10143, 7),)


def test_each_address_of_a_target_is_a_record() -> None:
    assert Zone(target(), d1="192.0.2.1 192.0.2.2").records == (
        record("192.0.2.1", 143, 7),
        record("192.0.2.2", 143, 7),
    )


def test_higher_priority_numbers_are_backups() -> None:
    zone = Zone(
        target("d3", priority=30),
        target("d1", priority=10),
        target("d2", priority=20),
        d1="192.0.2.1",
        d2="192.0.2.2",
        d3="192.0.2.3",
    )
    assert zone.records == (
        record("192.0.2.1", 143, 7),
        record("192.0.2.2", 143, 7, backup=True),
        record("192.0.2.3", 143, 7, backup=True),
    )


def test_backups_stay_backups_when_the_others_have_no_address() -> None:
    zone = Zone(target("d1"), target("d2", priority=20), d1="", d2="192.0.2.2")
    assert zone.records == (record("192.0.2.2", 143, 7, backup=True),)


def test_nothing_is_known_until_every_target_was_asked_for() -> None:
    zone = Zone(target("d1"), target("d2"), d1="192.0.2.1")
    assert zone.records is None
    zone.resolve("d2", "192.0.2.2")
    assert zone.records == (record("192.0.2.1", 143, 7), record("192.0.2.2", 143, 7))


def test_target_that_fails_hides_no_other() -> None:
    zone = Zone(target("d1"), target("d2"), d1="192.0.2.1")
    zone.resolve("d2", None)
    assert zone.records == (record("192.0.2.1", 143, 7),)


def test_service_of_which_every_target_fails_is_not_known() -> None:
    zone = Zone(target("d1"))
    zone.resolve("d1", None)
    assert zone.records is None


def test_service_without_targets_has_no_servers() -> None:
    zone = Zone()
    zone.say()
    assert zone.records == ()
    assert zone.service.denial == "service not available"


def test_service_whose_targets_have_no_addresses_has_no_servers() -> None:
    zone = Zone(target("d1"), d1="")
    assert zone.records == ()
    assert zone.service.denial == "no target has an address"


def test_service_that_does_not_exist_says_why() -> None:
    zone = Zone()
    zone.watches.settle(SRV, (), "NXDOMAIN")
    assert zone.service.denial == "NXDOMAIN"


def test_same_server_is_listed_once() -> None:
    zone = Zone(target("d1", weight=1), target("d2", weight=2), target("d1", weight=3), d1="192.0.2.1", d2="192.0.2.1")
    assert zone.records == (record("192.0.2.1", 143, 1),)


def test_more_addresses_than_a_backend_can_use_are_left_out() -> None:
    zone = Zone(target("d1"), d1=" ".join(f"192.0.{n // 256}.{n % 256}" for n in range(MAX_RECORDS + 9)))
    assert len(zone.records or ()) == MAX_RECORDS


def test_target_that_leaves_is_not_asked_for_any_more() -> None:
    zone = Zone(target("d1"), target("d2"), d1="192.0.2.1", d2="192.0.2.2")
    zone.say(target("d2"))
    assert zone.records == (record("192.0.2.2", 143, 7),)
    assert {question.name for question in zone.watches.open} == {SRV.name, "d2"}


def test_changes_of_a_target_are_reported() -> None:
    zone = Zone(target("d1"), d1="192.0.2.1")
    zone.resolve("d1", "192.0.2.2")
    assert zone.reported[-1] == (record("192.0.2.2", 143, 7),)


def test_stop_ends_every_question() -> None:
    zone = Zone(target("d1"), target("d2"))
    zone.service.stop()
    assert zone.watches.open == {}


def weights(*given: int) -> list[int]:
    return [weight for _, weight, _ in ranked([target(weight=weight) for weight in given])]


def test_weights_that_a_server_may_have_stay() -> None:
    assert weights(1, 50, 256) == [1, 50, 256]


def test_weight_of_nothing_is_the_least() -> None:
    assert weights(0, 10) == [1, 10]


def test_higher_weights_are_scaled_in_proportion() -> None:
    assert weights(65535, 32768, 1) == [256, 128, 1]


def test_weights_of_backups_do_not_weigh_on_the_others() -> None:
    assert [weight for _, weight, _ in ranked([target(weight=10), target(weight=65535, priority=20)])] == [10, 256]


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), max_size=20))
def test_weights_are_those_of_servers_and_keep_their_order(given: list[tuple[int, int]]) -> None:
    order = ranked([target(priority=priority, weight=weight) for priority, weight in given])
    assert [each.priority for each, _, _ in order] == sorted(priority for priority, _ in given)
    for is_backup in (False, True):
        group = sorted((each.weight, weight) for each, weight, backup in order if backup is is_backup)
        assert [weight for _, weight in group] == sorted(weight for _, weight in group)
        assert all(1 <= weight <= 256 for _, weight in group)
    assert not order or not order[0][2]
