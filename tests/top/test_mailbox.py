"""What threads leave for the one that draws."""

from __future__ import annotations

from typing import Any

import pytest

from mailproxy.top.listening import event_of
from mailproxy.top.mailbox import Mailbox
from mailproxy.top.model import MAX_EVENTS, Model
from tests.top.rows import event, info, sample


def test_latest_sample_is_delivered_once() -> None:
    rung: list[bool] = []
    mailbox, model = Mailbox(lambda: rung.append(True)), Model()
    mailbox.fail("away")
    mailbox.put(sample(info=[info(pid=1)]))
    mailbox.put(sample(info=[info(pid=2)]))
    mailbox.deliver(model)
    assert (model.sample.info["pid"], model.trouble, len(rung)) == (2, "", 3)
    model.fail("x")
    mailbox.deliver(model)
    assert model.trouble == "x"


def test_trouble_is_delivered() -> None:
    mailbox, model = Mailbox(lambda: None), Model()
    mailbox.put(sample())
    mailbox.fail("away")
    mailbox.deliver(model)
    assert (model.trouble, model.sample.rows) == ("away", {})


def test_events_wait_in_bounded_memory() -> None:
    mailbox, model = Mailbox(lambda: None), Model()
    for number in range(3 * MAX_EVENTS):
        mailbox.add_event(event(str(number)))
    mailbox.deliver(model)
    mailbox.deliver(model)
    assert [len(model.events), model.events[0]["message"]] == [MAX_EVENTS, str(3 * MAX_EVENTS - 1)]


def test_event_is_delivered_once() -> None:
    mailbox, model = Mailbox(lambda: None), Model()
    mailbox.add_event(event("x"))
    mailbox.deliver(model)
    mailbox.deliver(model)
    assert [one["message"] for one in model.events] == ["x"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"type": "lost", "events": 5}, "5 events were lost: there were too many"),
        ({"type": "error", "error": "no"}, "cannot watch the events: no"),
    ],
)
def test_lost_events_and_errors_are_events(line: dict[str, Any], message: str) -> None:
    found = event_of(line)
    assert found is not None
    assert found["message"] == message


def test_events_are_taken_and_other_lines_are_not() -> None:
    assert event_of(event("x")) == event("x")
    assert event_of({"type": "done"}) is None
