"""The rule ``first``."""

from mailproxy.balance.first import pick
from tests.balance.builders import pool, server


def test_the_first_candidate_has_the_session() -> None:
    assert pick("abc", b"") == "a"


def test_servers_with_maxconn_are_filled_in_order() -> None:
    servers = [server("a", maxconn=2), server("b", maxconn=1), server("c", maxconn=3)]
    filled = pool(servers, "first")
    picked = [filled.pick(b"", (), 0) for _ in range(7)]
    assert [one and one.name for one in picked] == ["a", "a", "b", "c", "c", "c", None]


def test_place_that_is_free_again_is_taken_first() -> None:
    servers = [server("a", maxconn=1), server("b", maxconn=1)]
    filled = pool(servers, "first")
    filled.pick(b"", (), 0)
    filled.leave(servers[0], 0)
    assert filled.pick(b"", (), 0) is servers[0]
