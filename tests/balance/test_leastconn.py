"""The rule ``leastconn``."""

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.balance.leastconn import pick
from mailproxy.balance.pool_server import PoolServer
from tests.balance.builders import candidates, pool, server


def test_fewest_sessions_win() -> None:
    a, b, c = servers = candidates(a=1, b=1, c=1)
    a.sessions, b.sessions, c.sessions = 3, 1, 2
    assert pick(servers, b"") is b


def test_sessions_count_by_weight() -> None:
    a, b = servers = candidates(a=100, b=10)
    a.sessions, b.sessions = 8, 1
    assert pick(servers, b"") is a


def test_idle_server_goes_before_a_heavier_one() -> None:
    a, b = servers = candidates(a=256, b=1)
    a.sessions = 1
    assert pick(servers, b"") is b


def test_among_equals_the_one_that_waited_longest_wins() -> None:
    a, b = servers = candidates(a=1, b=1)
    a.turn, b.turn = 9, 8
    assert pick(servers, b"") is b


def test_idle_servers_share_short_sessions() -> None:
    servers = [server(name) for name in "abc"]
    shared = pool(servers, "leastconn")
    picked = ""
    for _ in range(6):
        taken = shared.pick(b"", (), 0)
        assert taken is not None
        picked += taken.name
        shared.leave(taken, 0)
    assert picked == "abcabc"


def fits(picked: PoolServer, servers: list[PoolServer]) -> bool:
    """Whether no other has, with one session more, fewer sessions for its weight than the picked one before."""
    return all(picked.sessions / picked.share <= (other.sessions + 1) / other.share for other in servers)


@given(st.lists(st.tuples(st.integers(1, 256), st.integers(0, 1000)), min_size=1, max_size=12))
def test_picked_server_is_never_worse_than_another_by_more_than_one_session(loads: list[tuple[int, int]]) -> None:
    servers = candidates(**{f"s{number}": weight for number, (weight, _) in enumerate(loads)})
    for one, (_, sessions) in zip(servers, loads, strict=True):
        one.sessions = sessions
    assert fits(pick(servers, b""), servers)


@given(weights=st.lists(st.integers(1, 256), min_size=1, max_size=8), sessions=st.integers(0, 200))
def test_sessions_that_stay_are_spread_by_weight_within_one(weights: list[int], sessions: int) -> None:
    servers = [server(f"s{number}", weight=weight) for number, weight in enumerate(weights)]
    spread = pool(servers, "leastconn")
    for _ in range(sessions):
        spread.pick(b"", (), 0)
    for one in servers:
        assert all((one.sessions - 1) / one.weight <= (other.sessions + 1) / other.weight for other in servers)


@given(st.data())
def test_equal_servers_never_differ_by_more_than_one_while_sessions_come(data: st.DataObject) -> None:
    servers = [server(name) for name in "abcde"]
    spread = pool(servers, "leastconn")
    for _ in range(data.draw(st.integers(0, 60))):
        spread.pick(b"", (), 0)
        loads = [one.sessions for one in servers]
        assert max(loads) - min(loads) <= 1
