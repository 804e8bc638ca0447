"""Two pools with some common servers: those before and after a reload."""

from __future__ import annotations

from tests.balance.builders import Client, checked, pool, server


def test_server_that_one_pool_marks_down_is_not_picked_by_the_other() -> None:
    one = checked()
    previous, later = pool([one]), pool([one])
    later.share(previous)
    later.failed(one, 1.0, "gone")
    assert previous.is_empty
    assert later.is_empty
    later.passed(one, 2.0)
    assert previous.pick(b"", (), 3.0) is one


def test_what_happened_before_the_pools_knew_each_other_counts() -> None:
    one = checked()
    previous, later = pool([one]), pool([one])
    previous.failed(one, 1.0, "gone")
    later.share(previous)
    assert later.pick(b"", (), 2.0) is None


def test_place_that_one_pool_gives_back_is_for_who_waits_in_the_other() -> None:
    one = server(maxconn=1)
    previous, later = pool([one]), pool([one])
    later.share(previous)
    assert previous.pick(b"", (), 1.0) is one
    client = Client()
    assert later.enqueue(client, b"", ())
    previous.leave(one, 2.0)
    assert client.received == [one]
    assert one.sessions == 1


def test_client_that_waits_in_either_pool_is_answered_when_no_server_is_left() -> None:
    one = checked(maxconn=1)
    previous, later = pool([one]), pool([one])
    later.share(previous)
    previous.pick(b"", (), 1.0)
    client = Client()
    previous.enqueue(client, b"", ())
    later.failed(one, 2.0, "gone")
    assert client.received == [None]


def test_pools_that_have_parted_leave_each_other_alone() -> None:
    one = server(maxconn=1)
    previous, later = pool([one]), pool([one])
    later.share(previous)
    later.unshare(previous)
    previous.pick(b"", (), 1.0)
    client = Client()
    later.enqueue(client, b"", ())
    previous.leave(one, 2.0)
    assert client.received == []


def test_second_pool_does_not_begin_a_slowstart_again() -> None:
    one = checked(slowstart=100.0)
    previous = pool([one])
    previous.failed(one, 1.0, "gone")
    previous.passed(one, 2.0)
    previous.refresh(52.0)
    share = one.share
    pool([one])
    assert one.share == share
