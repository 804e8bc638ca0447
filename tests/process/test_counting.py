"""Counters of frontends in the pages."""

from __future__ import annotations

from attrs import asdict

from mailproxy.process.counting import PageCounters, SumOfCounters, counter_names
from mailproxy.process.page import Pages, Places
from mailproxy.session.counters import Counters


def test_counters_of_all_workers_add_up() -> None:
    pages, places = Pages(2), Places()
    places.add((*counter_names("imaps"), *counter_names("pop3s")))
    one, other = (PageCounters(page, "imaps", places) for page in pages.workers)
    one.connections += 1
    one.count("refused")
    other.connections += 2
    PageCounters(pages.workers[0], "pop3s", places).connections += 9
    total = SumOfCounters(pages.all, "imaps", places)
    assert (one.connections, other.connections) == (1, 2)
    assert asdict(total) == asdict(Counters(connections=3, refused=1))
    assert str(total) == "3 connections, 1 refused"
