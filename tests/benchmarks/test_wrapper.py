"""Connections with our wrapper and Twisted's: both work, and the method of the comparison."""

import pytest

from benchmarks.codec import OURS, TWISTED, Row
from benchmarks.wrapper import HEADERS, jobs, line


def test_both_wrappers_do_the_same_for_every_header() -> None:
    done = {job.name: {name: task() for name, task in job.tasks.items()} for job in jobs()}
    assert done == {name: {OURS: b"a NOOP\r\n", TWISTED: b"a NOOP\r\n"} for name in HEADERS}


@pytest.mark.parametrize(("ratio", "end"), [(0.8, "1.25"), (0.75, "1.33  missed")])
def test_line_says_how_much_more_ours_costs(ratio: float, end: str) -> None:
    assert line(Row("v1", {OURS: 200.0, TWISTED: 150.0}, {TWISTED: ratio})).endswith(end)
    assert line(Row("v1", {OURS: 200.0, TWISTED: 150.0}, {TWISTED: ratio})).split()[:3] == ["v1", "10.00", "7.50"]
