"""The codec and others: the method of the comparison, not its results."""

import sys

import pytest

from benchmarks import codec
from benchmarks.codec import OURS, PROXY_PROTOCOL, TWISTED, Job, Row, disagreements, main, measure, table


@pytest.mark.parametrize(("ratio", "misses"), [(0.99, True), (1.0, False)])
def test_no_other_library_may_be_cheaper(ratio: float, misses: bool) -> None:
    costs = {OURS: 1.0, PROXY_PROTOCOL: ratio, TWISTED: 2.0}
    assert Row("decode", costs, {PROXY_PROTOCOL: ratio, TWISTED: 2.0}).misses == misses


def test_libraries_that_do_more_have_a_greater_ratio() -> None:
    row = measure(Job("sum", {OURS: lambda: sum(range(10)), TWISTED: lambda: sum(range(10000))}), 3, 0.001)
    assert row.ratios.keys() == {TWISTED}
    assert row.ratios[TWISTED] > 1


def test_table_leaves_out_who_cannot_do_it_and_names_what_is_missed() -> None:
    rows = [Row("decode", {OURS: 2.0, PROXY_PROTOCOL: 1.0}, {PROXY_PROTOCOL: 0.5})]
    assert list(table(rows))[1].split() == ["decode", "2.00", "1.00", "0.50", "missed"]


def test_addresses_agree_whatever_their_form() -> None:
    job = Job("decode", {OURS: lambda: ("2001:db8::1", 1, "::1", 2), TWISTED: lambda: ("2001:db8:0::1", 1, "0::1", 2)})
    assert list(disagreements(job)) == []


def test_libraries_that_learn_something_else_are_named() -> None:
    job = Job("encode", {OURS: lambda: b"a", PROXY_PROTOCOL: lambda: b"b"})
    assert list(disagreements(job)) == ["encode: proxy-protocol has b'b', mailproxy b'a'"]


def test_what_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(codec, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["codec"])
    assert main() == 1
    assert capsys.readouterr().err == "missing for this benchmark: python -m pip install --group benchmarks\n"
