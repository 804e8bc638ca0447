"""The choice of a server."""

import pytest

from mailproxy.balance.pool import Pool
from mailproxy.balance.pool_server import PoolServer
from mailproxy.balance.rule import RULES
from tests.balance.builders import checked, pool, server


def picked(made: Pool[PoolServer], *tried: PoolServer) -> str | None:
    taken = made.pick(b"client", tried, 0)
    return None if taken is None else taken.name


def attempts(made: Pool[PoolServer], key: bytes = b"client") -> str:
    """The servers that a session tries when each of them fails at once."""
    tried: list[PoolServer] = []
    while (taken := made.pick(key, tried, 0)) is not None:
        tried.append(taken)
        made.leave(taken, 0)
    return "".join(one.name for one in tried)


def test_pick_takes_a_place() -> None:
    a = server("a")
    pool([a]).pick(b"", (), 0)
    assert a.sessions == 1


def test_leave_gives_the_place_back() -> None:
    a = server("a")
    made = pool([a])
    made.pick(b"", (), 0)
    made.leave(a, 0)
    assert a.sessions == 0


def test_leaving_without_a_place_is_our_bug() -> None:
    with pytest.raises(ValueError, match="server a has no session that could leave"):
        pool([a := server("a")]).leave(a, 0)


def test_pool_without_servers_is_empty() -> None:
    made = pool([])
    assert (picked(made), made.is_empty, made.is_full) == (None, True, False)


def test_pool_whose_servers_have_no_room_is_full() -> None:
    made = pool([server("a", maxconn=1), server("b", maxconn=1)])
    assert [picked(made), picked(made), picked(made)] == ["a", "b", None]
    assert (made.is_empty, made.is_full) == (False, True)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    "unusable",
    [
        {"target": None},
        {"weight": 0},
        {"state": "drain"},
        {"state": "maint"},
    ],
)
def test_server_that_is_not_usable_is_not_picked(rule: str, unusable: dict[str, object]) -> None:
    made = pool([server("a", **unusable), server("b")], rule)
    assert {made.pick(b"%d" % client, (), 0).name for client in range(20)} == {"b"}  # type: ignore[union-attr]  # b is


@pytest.mark.parametrize("rule", RULES)
def test_server_that_is_down_is_not_picked(rule: str) -> None:
    made = pool([a := checked("a"), server("b")], rule)
    made.failed(a, 0, "refused")
    assert {made.pick(b"%d" % client, (), 0).name for client in range(20)} == {"b"}  # type: ignore[union-attr]  # b is


@pytest.mark.parametrize("rule", RULES)
def test_without_retries_there_is_one_attempt(rule: str) -> None:
    assert len(attempts(pool([server("a"), server("b")], rule, retries=0))) == 1


@pytest.mark.parametrize("rule", RULES)
def test_retries_come_after_the_first_attempt(rule: str) -> None:
    assert len(attempts(pool([server("a"), server("b")], rule, retries=3))) == 4


@pytest.mark.parametrize("rule", RULES)
def test_single_server_is_tried_again(rule: str) -> None:
    assert attempts(pool([server("a")], rule, retries=2)) == "aaa"


@pytest.mark.parametrize("rule", RULES)
def test_every_server_has_its_turn_before_any_has_a_second_one(rule: str) -> None:
    tried = attempts(pool([server(name) for name in "abc"], rule, retries=5))
    assert set(tried[:3]) == set(tried[3:]) == set("abc")


@pytest.mark.parametrize("rule", RULES)
def test_server_is_never_tried_twice_in_a_row_when_another_is_up(rule: str) -> None:
    made = pool([server("a", weight=256), server("b", weight=1)], rule, retries=7)
    assert attempts(made) in ("abababab", "babababa")


@pytest.mark.parametrize("rule", RULES)
def test_server_tried_last_is_not_picked_while_the_other_is_full(rule: str) -> None:
    a, b = server("a"), server("b", maxconn=1)
    made = pool([a, b], rule)
    b.sessions = 1
    assert picked(made, a) is None


@pytest.mark.parametrize("rule", ["roundrobin", "leastconn", "first", "random"])
def test_server_tried_before_is_picked_if_the_one_not_tried_is_full(rule: str) -> None:
    a, b, c = server("a"), server("b"), server("c", maxconn=1)
    made = pool([a, b, c], rule)
    c.sessions = 1
    assert picked(made, a, b) == "a"


@pytest.mark.parametrize("rule", ["roundrobin", "leastconn", "first", "random"])
def test_full_server_is_passed_over(rule: str) -> None:
    made = pool([server("a", maxconn=1), server("b")], rule)
    for _ in range(50):
        picked(made)
    assert made.servers[0].sessions <= 1
    assert sum(one.sessions for one in made.servers) == 50


def test_client_of_a_full_server_goes_nowhere_else_by_source() -> None:
    made = pool([server("a", maxconn=1), server("b", maxconn=1)], "source")
    home = picked(made)
    assert [home, picked(made)] in (["a", None], ["b", None])


def test_backup_is_not_picked_while_another_is_usable() -> None:
    made = pool([server("b", backup=True), server("a", maxconn=1)])
    assert [picked(made), picked(made)] == ["a", None]


def test_first_usable_backup_serves_alone() -> None:
    made = pool(
        [checked("a"), server("b", backup=True, weight=0), *(server(n, backup=True) for n in "cd")], "roundrobin"
    )
    made.failed(made.servers[0], 0, "refused")
    assert [picked(made) for _ in range(3)] == ["c", "c", "c"]


def test_all_backups_serve_together_if_configured() -> None:
    backups = [server(name, backup=True) for name in "bc"]
    made = pool([server("a", state="maint"), *backups], "roundrobin", allbackups=True)
    assert [picked(made) for _ in range(4)] == ["b", "c", "b", "c"]


def test_servers_are_counted() -> None:
    servers = [server("a"), server("b", state="drain"), server("c"), server("d", backup=True), server("e", backup=True)]
    made = pool(servers)
    assert (made.active, made.backup) == (2, 2)
