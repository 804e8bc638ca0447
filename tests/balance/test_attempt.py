"""Which servers a session tries, and how often."""

from mailproxy.balance.attempt import least_tried
from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.rule import RULES


def attempts(servers: str, retries: int) -> str:
    """Return the servers, one letter each, that a session tries when all of them fail."""
    pool = Pool(
        "pool",
        [PoolServer(name=name, target=name) for name in servers],
        RULES["first"],
        on_change=lambda change: None,
        retries=retries,
    )
    tried: list[PoolServer] = []
    while (server := pool.pick(b"", tried, 0.0)) is not None:
        pool.leave(server, 0.0)
        tried.append(server)
    return "".join(server.name for server in tried)


def test_the_first_server_is_tried_first() -> None:
    assert attempts("abc", retries=0) == "a"


def test_failure_leads_to_the_next_server_in_order() -> None:
    assert attempts("abc", retries=2) == "abc"


def test_after_the_last_server_the_first_has_its_turn_again() -> None:
    assert attempts("ab", retries=3) == "abab"


def test_single_server_is_tried_again() -> None:
    assert attempts("a", retries=3) == "aaaa"


def test_without_servers_there_is_no_attempt() -> None:
    assert attempts("", retries=3) == ""


def test_server_that_left_during_the_session_does_not_count() -> None:
    assert list(least_tried("bc", "ab")) == ["c"]


def test_server_that_came_during_the_session_goes_before_a_second_try() -> None:
    assert list(least_tried("abn", "ab")) == ["n"]
