"""The whole screen."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from mailproxy.top.letters import ASCII, UNICODE, width_of
from mailproxy.top.model import Model
from mailproxy.top.screen import Screen, screen
from mailproxy.top.state import Position, State
from mailproxy.top.styled import plain
from mailproxy.top.views import VIEWS
from tests.top.rows import event, frontend, info, model, sample

START = State((Position(),) * len(VIEWS))


def drawn(shown: Model | None = None, state: State = START, **changed: Any) -> Screen:
    settings: dict[str, Any] = {"width": 80, "height": 24, "charset": UNICODE, "now": 100.0, "interval": 1.0}
    return screen(shown or model(), state, **{**settings, **changed})


def lines(made: Screen) -> list[str]:
    return [plain(line) for line in made.lines]


def many() -> Model:
    return model(sample(frontends=[frontend(f"f{number:03}") for number in range(100)]))


@pytest.mark.parametrize(
    "state", [evolve(START, view=view) for view in range(len(VIEWS))] + [evolve(START, is_help=True)]
)
@pytest.mark.parametrize(("width", "height"), [(80, 24), (300, 80), (40, 10), (20, 5), (3, 2), (1, 1)])
def test_screen_fits_the_terminal(state: State, width: int, height: int) -> None:
    shown = many()
    shown.add_events([event("a long event " * 30)])
    made = drawn(shown, state, width=width, height=height)
    assert len(made.lines) == height
    assert all(width_of("".join(part.words for part in line)) <= width for line in made.lines)


def test_totals_are_on_top() -> None:
    made = drawn(model(sample(0.0), sample(1.0, frontends=[frontend(connections=3, rejected=2, no_server=1)])), now=1.0)
    assert lines(made)[:2] == [
        "mailproxy running · 0.1.0 · pid 7 · up 1m1s",
        "clients 12/100 · new 3.0/s · errors 1.0/s · refused 2.0/s · in 0B/s · out 0B/s",
    ]


def test_failed_reload_is_reported_in_each_view() -> None:
    made = drawn(model(sample(info=[info(reload="failure")])), evolve(START, view=2))
    assert lines(made)[0].endswith("last reload failed")


def test_shown_view_is_marked() -> None:
    (chosen,) = (part.words for part in drawn(state=evolve(START, view=2)).lines[2] if part.style == "chosen")
    assert chosen == " 3 Servers "
    assert "3 Servers" in lines(drawn(state=evolve(START, view=2), width=40))[2]


def test_service_that_is_away_is_reported_and_the_last_answers_stay() -> None:
    shown = model()
    shown.fail("/run/admin.sock: no process listens there")
    top, *rest = lines(drawn(shown))
    assert top == "NOT CONNECTED, trying again: /run/admin.sock: no process listens there"
    assert "imaps" in "\n".join(rest)
    shown.take(sample(info=[info(pid=8)]))
    assert "pid 8" in lines(drawn(shown))[0]


def test_service_that_does_not_answer_is_reported() -> None:
    assert lines(drawn(now=110.0))[0].endswith("no answer for 10s")
    assert "no answer" not in lines(drawn(now=110.0, interval=30.0))[0]


def test_page_scrolls_below_its_heading() -> None:
    state = evolve(START, view=1).move(scroll=10)
    made = lines(drawn(many(), state))
    assert made[3].startswith("FRONTEND")
    assert made[4].startswith("f010")
    assert made[-1].startswith("11-29 of 100")


def test_scroll_ends_at_the_last_line() -> None:
    made = drawn(many(), evolve(START, view=1).move(scroll=1_000_000))
    assert lines(made)[-2].startswith("f099")
    assert made.state.position.scroll == 100 - made.page_height


def test_filter_is_shown_while_it_is_typed_and_later() -> None:
    state = evolve(START.move(wanted="f01"), is_typing=True)
    assert lines(drawn(state=state))[-1] == "/f01_"
    assert lines(drawn(state=evolve(state, is_typing=False)))[-1].startswith("filter: f01 (Esc ends it)")


def test_keys_and_order_are_reported() -> None:
    state = evolve(START, view=1).move(order=1)
    assert lines(drawn(state=state))[-1] == "q quit · ? help · / filter · s sort: most clients"


def test_ascii_terminal_gets_ascii() -> None:
    shown = model(sample(frontends=[frontend("köln")]))
    made = lines(drawn(shown, evolve(START, view=1).move(wanted=""), charset=ASCII, width=120))
    assert all(line.isascii() for line in made)
    assert "k\\xf6ln" in "\n".join(made)
