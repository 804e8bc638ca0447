"""Bans of several origins."""

import pytest

from mailproxy.bans import bans as module
from mailproxy.bans.ban import ORIGINS, Origin
from mailproxy.bans.bans import MAX_ORIGINS, BanChange, Bans, TooManyBans, clean_reason
from tests.bans.builders import ban, key

ADDRESS = "192.0.2.7"


class Announced:
    """What a list of bans announces."""

    def __init__(self, bans: Bans) -> None:
        self.changes: list[BanChange] = []
        self.origins: list[Origin] = []
        bans.announce = self.changes.append
        bans.changed = self.origins.append


def test_ban_is_announced() -> None:
    bans = Bans()
    announced = Announced(bans)
    bans.ban(ban(ADDRESS))
    assert announced.changes == [BanChange((ban(ADDRESS),))]
    assert announced.origins == ["ctl"]


def test_ban_that_ends_last_is_in_effect() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec", end=20.0))
    announced = Announced(bans)
    bans.ban(ban(ADDRESS, origin="ctl", end=10.0))
    assert announced.changes == []
    assert bans.table.get(key(ADDRESS)) == ban(ADDRESS, origin="crowdsec", end=20.0)
    assert bans.unban(key(ADDRESS), origins=["crowdsec"]) == (ban(ADDRESS, origin="crowdsec", end=20.0),)
    assert announced.changes == [BanChange((ban(ADDRESS, origin="ctl", end=10.0),))]


def test_shorter_ban_of_the_same_origin_replaces_the_longer_one() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, end=20.0))
    bans.ban(ban(ADDRESS, end=10.0))
    assert list(bans) == [ban(ADDRESS, end=10.0)]
    assert bans.table.get(key(ADDRESS)) == ban(ADDRESS, end=10.0)


def test_unban_removes_the_bans_of_all_origins() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec"), ban(ADDRESS))
    announced = Announced(bans)
    assert len(bans.unban(key(ADDRESS))) == 2
    assert announced.changes == [BanChange((), (key(ADDRESS),))]
    assert sorted(announced.origins) == ["crowdsec", "ctl"]
    assert bans.unban(key(ADDRESS)) == ()


def test_shorter_ban_ends_with_the_one_in_effect() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec", end=20.0), ban(ADDRESS, end=10.0))
    assert bans.expire(15.0, 10) == []
    assert bans.expire(20.0, 10) == [ban(ADDRESS, origin="crowdsec", end=20.0)]
    assert list(bans) == []


def test_number_of_bans_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 2)
    bans = Bans()
    announced = Announced(bans)
    with pytest.raises(TooManyBans):
        bans.ban(ban("192.0.2.1"), ban("192.0.2.2"), ban("192.0.2.3"))
    assert len(bans) == 2
    assert [one.place for change in announced.changes for one in change.banned] == ["192.0.2.1", "192.0.2.2"]
    assert announced.origins == ["ctl"]  # so that the file gets the first two
    bans.ban(ban("192.0.2.2", end=5.0))  # it has its place already


def test_bans_by_rules_leave_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 4)
    bans = Bans()
    announced = Announced(bans)
    for number in range(1, 9):
        bans.ban(ban(f"192.0.2.{number}", origin="rule", end=100.0))
    assert [one.place for one in bans] == ["192.0.2.7", "192.0.2.8"]
    assert announced.changes[-1] == BanChange((ban("192.0.2.8", origin="rule", end=100.0),), (key("192.0.2.6"),))
    bans.ban(ban("198.51.100.1"), ban("198.51.100.2", origin="crowdsec"))
    assert len(bans) == 4


def test_ban_by_a_rule_that_is_made_again_is_the_youngest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 4)
    bans = Bans()
    for number in (1, 2, 1, 3):
        bans.ban(ban(f"192.0.2.{number}", origin="rule", end=100.0))
    assert [one.place for one in bans] == ["192.0.2.1", "192.0.2.3"]


def test_oldest_ban_by_a_rule_leaves_those_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 4)
    bans = Bans()
    announced = Announced(bans)
    bans.ban(ban("192.0.2.1", end=50.0), *(ban(f"192.0.2.{number}", origin="rule", end=100.0) for number in (1, 2)))
    bans.ban(ban("192.0.2.3", origin="rule", end=100.0))
    assert bans.table.get(key("192.0.2.1")) == ban("192.0.2.1", end=50.0)
    assert announced.changes[-1].unbanned == ()
    assert ban("192.0.2.1", end=50.0) in announced.changes[-1].banned


def test_reason_fits_into_a_line() -> None:
    assert clean_reason("a\nsession id=1") == r"a\nsession id=1"
    assert len(clean_reason("x" * 1000)) == 200


def test_program_with_a_name_has_bans_of_its_own() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS), ban(ADDRESS, origin="fail2ban", end=20.0))
    assert (bans.counts["ctl"], bans.counts["fail2ban"]) == (1, 1)
    assert bans.by(key(ADDRESS), 10.0) == ["ctl", "fail2ban"]
    assert bans.by(key(ADDRESS), 20.0) == ["ctl"]
    assert bans.unban(key(ADDRESS), origins=["fail2ban"]) == (ban(ADDRESS, origin="fail2ban", end=20.0),)
    assert list(bans) == [ban(ADDRESS)]


def test_origins_without_bans_make_room_for_others() -> None:
    bans = Bans()
    names = [f"program{number}" for number in range(MAX_ORIGINS - len(ORIGINS))]
    for name in names:
        bans.ban(ban(ADDRESS, origin=name))
    with pytest.raises(TooManyBans, match="bans of 13 names"):
        bans.ban(ban(ADDRESS, origin="more"))
    bans.unban(key(ADDRESS), origins=names[:1])
    bans.ban(ban(ADDRESS, origin="more"))
    assert set(bans.counts) == {*ORIGINS, *names[1:], "more"}
