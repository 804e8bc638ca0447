"""What keys change."""

from __future__ import annotations

import pytest

from mailproxy.top.state import LONGEST_FILTER, Position, State, press

HEIGHT = 10


def after(*keys: str, state: State | None = None) -> State:
    found = state or State((Position(),) * 6)
    for key in keys:
        found = press(found, key, HEIGHT)
    return found


@pytest.mark.parametrize(
    ("keys", "view"),
    [(["3"], 2), (["6"], 5), (["7"], 0), (["tab"], 1), (["back-tab"], 5), (["6", "tab"], 0), (["²"], 0), ([""], 0)],
)
def test_keys_choose_a_view(keys: list[str], view: int) -> None:
    assert after(*keys).view == view


@pytest.mark.parametrize(
    ("keys", "scroll"),
    [
        (["down", "j", "up"], 1),
        (["up"], 0),
        (["page-down", " ", "page-up"], HEIGHT),
        (["page-down", "home"], 0),
        (["down", "k"], 0),
    ],
)
def test_keys_scroll(keys: list[str], scroll: int) -> None:
    assert after(*keys).position.scroll == scroll


def test_each_view_has_its_own_position() -> None:
    state = after("down", "2", "/", "x", "enter")
    assert (state.positions[0], state.position) == (Position(scroll=1), Position(wanted="x"))


def test_filter_is_typed() -> None:
    state = after("down", "/", "d", "q", "1", "backspace", "tab")
    assert (state.position.wanted, state.position.scroll, state.is_typing, state.is_over) == ("dq", 0, False, False)


@pytest.mark.parametrize("keys", [["/", "d", "escape"], ["/", "d", "enter", "escape"]])
def test_escape_ends_the_filter(keys: list[str]) -> None:
    state = after(*keys)
    assert (state.position.wanted, state.is_typing) == ("", False)


def test_filter_has_printable_letters_and_an_end() -> None:
    assert after("/", "\x01", "up", *"ü" * 100).position.wanted == "ü" * LONGEST_FILTER


def test_order_changes_and_the_top_is_shown() -> None:
    state = after("down", "s", "s")
    assert (state.position.order, state.position.scroll) == (2, 0)


def test_help_is_left_with_any_key() -> None:
    assert after("?").is_help
    left = after("h", "x")
    assert (left.is_help, left.is_over) == (False, False)


@pytest.mark.parametrize("keys", [["q"], ["?", "q"]])
def test_q_ends_top(keys: list[str]) -> None:
    assert after(*keys).is_over
