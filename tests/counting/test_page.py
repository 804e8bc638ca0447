"""Memory that several processes have in common."""

from __future__ import annotations

import os

import pytest

from mailproxy.counting.page import Pages
from mailproxy.counting.places import Places


def test_process_sees_what_another_one_writes() -> None:
    pages = Pages(2)
    pid = os.fork()
    if not pid:
        pages.workers[1][7] = -5
        os._exit(0)
    os.waitpid(pid, 0)
    assert [page[7] for page in pages.all] == [0, -5, 0]


def test_counters_of_a_worker_that_has_ended_stay_and_its_sessions_go() -> None:
    pages, places = Pages(2), Places()
    places.add({"counter front": 2, "live maxconn": 1})
    pages.used = places.used
    counter, live = places["counter front"] + 1, places["live maxconn"]
    pages.main[counter] = 1
    pages.workers[0][counter], pages.workers[0][live] = 5, 2
    pages.workers[1][counter], pages.workers[1][live] = 7, 3
    pages.fold(0, places.counters)
    assert [page[counter] for page in pages.all] == [0, 7, 6]
    assert [page[live] for page in pages.all] == [0, 3, 0]


def test_bell_that_nobody_answers_stays_rung() -> None:
    pages = Pages(1)
    pages.ring(0)
    pages.ring(0)
    assert os.eventfd_read(pages.bells[0]) == 2
    with pytest.raises(BlockingIOError):
        os.eventfd_read(pages.bells[0])
