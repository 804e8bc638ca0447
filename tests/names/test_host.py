"""The families of a host name, with watches that a test sets."""

from __future__ import annotations

from typing import Any, cast

from mailproxy.names.host import Host
from mailproxy.names.question import Question
from mailproxy.names.record import Record
from tests.names.builders import record
from tests.names.watches import Watches

FOUR, SIX = record("192.0.2.1"), record("2001:db8::1")


class Families:
    """A host, and what its two questions came to."""

    def __init__(self, ipv4: Any = "waiting", ipv6: Any = "waiting") -> None:
        self.watches = Watches()
        self.host = Host("d", self.watches)
        for type, values in (("A", ipv4), ("AAAA", ipv6)):
            if values != "waiting":
                self.watches.settle(Question("d", cast(Any, type)), values)


def records(prefer: Any = "ipv6", **families: Any) -> tuple[Record, ...] | None:
    return Families(**families).host.records(prefer)


V4, V6 = (FOUR.host,), (SIX.host,)


def test_preferred_family_decides_when_both_exist() -> None:
    assert records("ipv6", ipv4=V4, ipv6=V6) == (SIX,)
    assert records("ipv4", ipv4=V4, ipv6=V6) == (FOUR,)


def test_other_family_serves_when_the_preferred_does_not_exist() -> None:
    assert records("ipv6", ipv4=V4, ipv6=()) == (FOUR,)
    assert records("ipv4", ipv4=(), ipv6=V6) == (SIX,)


def test_other_family_serves_when_the_preferred_fails() -> None:
    assert records("ipv6", ipv4=V4, ipv6=None) == (FOUR,)


def test_preferred_family_does_not_wait_for_the_other() -> None:
    assert records("ipv6", ipv6=V6) == (SIX,)


def test_other_family_waits_for_the_preferred() -> None:
    assert records("ipv6", ipv4=V4) is None


def test_name_without_addresses_has_none() -> None:
    assert records(ipv4=(), ipv6=()) == ()


def test_name_of_which_one_family_fails_and_the_other_is_empty_is_not_known() -> None:
    assert records(ipv4=(), ipv6=None) is None
    assert records(ipv4=None, ipv6=()) is None


def test_same_address_is_one_record() -> None:
    assert records(ipv4=V4 + V4, ipv6=()) == (FOUR,)


def test_each_change_is_reported() -> None:
    families = Families()
    reported: list[Any] = []
    families.host.observers.append(lambda: reported.append(families.host.records("ipv6")))
    families.watches.settle(Question("d", "A"), V4)
    families.watches.settle(Question("d", "AAAA"), V6)
    assert reported == [None, (SIX,)]


def test_stop_ends_both_questions() -> None:
    families = Families()
    families.host.stop()
    assert families.watches.open == {}
