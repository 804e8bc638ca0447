"""The cost of many bans: what is measured, not how fast it is."""

from benchmarks.bans import answer, rows, some_bans
from mailproxy.bans.decisions import read_decisions


def test_bans_are_of_different_networks() -> None:
    bans = some_bans(1000)
    assert len({ban.key for ban in bans}) == 1000
    assert {ban.key[1] for ban in bans} == {24, 32, 64}


def test_answer_has_decisions() -> None:
    assert len(read_decisions(answer(100)).new) == 100


def test_each_step_is_measured() -> None:
    assert all(seconds > 0 for _, seconds in rows(100))
