"""Bans of several origins."""

import pytest

from mailproxy.bans import bans as module
from mailproxy.bans.ban import Origin
from mailproxy.bans.bans import BanChange, Bans, TooManyBans, clean_reason
from tests.bans.builders import ban, key

ADDRESS = "192.0.2.7"


class Told:
    """What a list of bans announces."""

    def __init__(self, bans: Bans) -> None:
        self.changes: list[BanChange] = []
        self.origins: list[Origin] = []
        bans.announce = self.changes.append
        bans.changed = self.origins.append


def test_ban_is_announced() -> None:
    bans = Bans()
    told = Told(bans)
    bans.ban(ban(ADDRESS))
    assert told.changes == [BanChange((ban(ADDRESS),))]
    assert told.origins == ["ctl"]


def test_ban_that_ends_last_is_in_effect() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec", end=20.0))
    told = Told(bans)
    bans.ban(ban(ADDRESS, origin="ctl", end=10.0))
    assert told.changes == []
    assert bans.table.get(key(ADDRESS)) == ban(ADDRESS, origin="crowdsec", end=20.0)
    assert bans.unban(key(ADDRESS), origins=["crowdsec"]) == (ban(ADDRESS, origin="crowdsec", end=20.0),)
    assert told.changes == [BanChange((ban(ADDRESS, origin="ctl", end=10.0),))]


def test_shorter_ban_of_the_same_origin_replaces_the_longer_one() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, end=20.0))
    bans.ban(ban(ADDRESS, end=10.0))
    assert list(bans) == [ban(ADDRESS, end=10.0)]
    assert bans.table.get(key(ADDRESS)) == ban(ADDRESS, end=10.0)


def test_unban_removes_the_bans_of_all_origins() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec"), ban(ADDRESS))
    told = Told(bans)
    assert len(bans.unban(key(ADDRESS))) == 2
    assert told.changes == [BanChange((), (key(ADDRESS),))]
    assert sorted(told.origins) == ["crowdsec", "ctl"]
    assert bans.unban(key(ADDRESS)) == ()


def test_shorter_ban_ends_with_the_one_in_effect() -> None:
    bans = Bans()
    bans.ban(ban(ADDRESS, origin="crowdsec", end=20.0), ban(ADDRESS, end=10.0))
    assert bans.expire(15.0, 10) == []
    assert bans.expire(20.0, 10) == [ban(ADDRESS, origin="crowdsec", end=20.0)]
    assert list(bans) == []


def test_number_of_bans_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BANS", 2)
    bans = Bans()
    told = Told(bans)
    with pytest.raises(TooManyBans):
        bans.ban(ban("192.0.2.1"), ban("192.0.2.2"), ban("192.0.2.3"))
    assert len(bans) == 2
    assert [one.place for change in told.changes for one in change.banned] == ["192.0.2.1", "192.0.2.2"]
    bans.ban(ban("192.0.2.2", end=5.0))  # it has its place already


def test_reason_fits_into_a_line() -> None:
    assert clean_reason("a\nsession id=1") == "a?session id=1"
    assert len(clean_reason("x" * 1000)) == 200
