"""Slots that follow a name, with answers that a test gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from mailproxy.config import InetServer, NamedServer, Server, ServerAddress, SrvServer
from mailproxy.names.fill import Fill
from mailproxy.names.record import Record
from tests.names.builders import NAME, record

ONE, TWO, THREE = record("192.0.2.1"), record("192.0.2.2"), record("192.0.2.3")


class Followed:
    """Names that a test resolves, and where their records went."""

    def __init__(self, events: Any) -> None:
        self.events = events
        self.placed: list[tuple[int, Record | None]] = []
        self.is_stopped = False

    def follow(self, address: Any, prefer: Any, changed: Any) -> Followed:
        self.wanted = (address, prefer)
        self.answer = changed
        return self

    def stop(self) -> None:
        self.is_stopped = True

    def fill(self, address: ServerAddress, count: int = 1) -> Fill:
        server = Server(name="d", address=address, count=count, resolve_prefer="ipv4")
        return Fill(self, "backend dovecot, server d", server, lambda *placed: self.placed.append(placed))

    def changes(self, *answer: Record) -> list[tuple[int, Record | None]]:
        self.answer(answer)
        placed, self.placed = self.placed, []
        return placed

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]


@pytest.fixture
def names() -> Iterator[Followed]:
    with capturedLogs() as events:
        yield Followed(events)


def test_server_is_followed_as_it_is_configured(names: Followed) -> None:
    names.fill(NamedServer(NAME, 143))
    assert names.wanted == (NamedServer(NAME, 143), "ipv4")


def test_server_has_the_first_address_until_that_vanishes(names: Followed) -> None:
    names.fill(NamedServer(NAME))
    assert names.changes(ONE, TWO) == [(0, ONE)]
    assert names.changes(TWO, ONE) == []
    assert names.changes(THREE, TWO) == [(0, THREE)]


def test_name_without_addresses_empties_the_slots(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO)
    assert names.changes() == [(0, None), (1, None)]


def test_template_has_an_address_in_each_slot(names: Followed) -> None:
    fill = names.fill(NamedServer(NAME), 3)
    assert names.changes(ONE, TWO) == [(0, ONE), (1, TWO)]
    assert names.changes(TWO, THREE) == [(0, THREE)]
    assert fill.slots == (THREE, TWO, None)


def test_new_weight_is_placed_again(names: Followed) -> None:
    names.fill(SrvServer(NAME), 2)
    names.changes(ONE, TWO)
    heavier = record("192.0.2.2", weight=9)
    assert names.changes(ONE, heavier) == [(1, heavier)]


def test_addresses_without_a_slot_are_logged_once(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO, THREE)
    names.changes(TWO, ONE, THREE)
    assert names.lines() == [
        f"backend dovecot, server d: {NAME} has more addresses than the 2 slots; without a slot: 192.0.2.3"
    ]


def test_addresses_without_a_slot_are_logged_again_after_all_had_one(names: Followed) -> None:
    names.fill(NamedServer(NAME), 2)
    names.changes(ONE, TWO, THREE)
    names.changes(ONE)
    names.changes(ONE, TWO, THREE)
    assert len(names.lines()) == 2


def test_one_server_of_many_addresses_is_as_it_should_be(names: Followed) -> None:
    names.fill(NamedServer(NAME))
    names.changes(ONE, TWO, THREE)
    assert names.lines() == []


def test_service_in_one_slot_is_a_template(names: Followed) -> None:
    names.fill(SrvServer(NAME))
    names.changes(ONE, TWO)
    assert len(names.lines()) == 1


def test_stop_leaves_the_slots(names: Followed) -> None:
    fill = names.fill(NamedServer(NAME))
    names.changes(ONE)
    fill.stop()
    assert names.is_stopped
    assert fill.slots == (ONE,)


def test_server_with_an_address_has_nothing_to_follow(names: Followed) -> None:
    with pytest.raises(TypeError, match=r"192\.0\.2\.1:143 is no name"):
        names.fill(InetServer(ONE.host, 143))
