"""The lines that wait for a client that does not read."""

import json

from mailproxy.control.backlog import WAITING_BYTES, Backlog


def lines_of(backlog: Backlog) -> list[bytes]:
    """All lines that wait, in their order."""
    found = []
    while backlog:
        found.append(backlog.pop())
    return found


def test_lines_come_out_in_their_order() -> None:
    backlog = Backlog()
    assert not backlog
    for line in (b"1\n", b"2\n"):
        backlog.add(line)
    assert lines_of(backlog) == [b"1\n", b"2\n"]


def test_line_beyond_the_bound_is_lost_and_counted() -> None:
    backlog = Backlog()
    backlog.add(b"x" * WAITING_BYTES)
    backlog.add(b"y")
    backlog.add(b"z")
    first, last = lines_of(backlog)
    assert first == b"x" * WAITING_BYTES
    assert json.loads(last) == {"type": "lost", "events": 2}


def test_line_after_a_lost_one_is_lost_until_the_backlog_is_empty() -> None:
    """The number of lost lines stands where they would be."""
    backlog = Backlog()
    backlog.add(b"x" * WAITING_BYTES)
    backlog.add(b"lost")
    backlog.pop()
    backlog.add(b"lost as well")
    assert json.loads(backlog.pop())["events"] == 2
    backlog.add(b"kept")
    assert lines_of(backlog) == [b"kept"]


def test_line_longer_than_the_bound_is_lost() -> None:
    backlog = Backlog()
    backlog.add(b"x" * (WAITING_BYTES + 1))
    (line,) = lines_of(backlog)
    assert json.loads(line)["events"] == 1
