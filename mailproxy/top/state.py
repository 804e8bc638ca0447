"""Which view is shown, where it is scrolled to, its filter and order; and what each key changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve, frozen

LONGEST_FILTER = 60
"""The most letters of a filter."""


@frozen
class Position:
    """How one view is shown."""

    scroll: int = 0
    """The first line that is shown."""
    order: int = 0
    """The number of the chosen order, of those that the view has."""
    wanted: str = ""
    """The filter: a text that rows have to contain."""


@frozen
class State:
    """What the user has chosen."""

    positions: tuple[Position, ...]
    """By view."""
    view: int = 0
    is_typing: bool = False
    """Whether the filter is being typed."""
    is_help: bool = False
    is_over: bool = False

    @property
    def position(self) -> Position:
        """The position of the shown view."""
        return self.positions[self.view]

    def move(self, **changes: object) -> State:
        """Return the state with another position of the shown view."""
        positions = list(self.positions)
        positions[self.view] = evolve(self.position, **changes)  # type: ignore[arg-type]  # names of its fields
        return evolve(self, positions=tuple(positions))


def press(state: State, key: str, height: int) -> State:
    """Return the state after a key: a letter, or a name such as "page-up"; `height` is that of a page, in lines."""
    if state.is_typing:
        return _type(state, key)
    if state.is_help:
        return evolve(state, is_help=False, is_over=key == "q")
    if key in _LINES:
        return _scroll(state, _LINES[key])
    if key in _PAGES:
        return _scroll(state, _PAGES[key] * max(height, 1))
    if len(key) == 1 and "1" <= key <= str(len(state.positions)):
        return evolve(state, view=int(key) - 1)
    return _KEYS[key](state) if key in _KEYS else state


def _scroll(state: State, lines: int) -> State:
    return state.move(scroll=max(state.position.scroll + lines, 0))


def _turn(state: State, views: int) -> State:
    return evolve(state, view=(state.view + views) % len(state.positions))


_LINES = {"up": -1, "k": -1, "down": 1, "j": 1}
_PAGES = {"page-up": -1, "page-down": 1, " ": 1}

_END = 1_000_000

_KEYS: Mapping[str, Callable[[State], State]] = {
    "q": lambda state: evolve(state, is_over=True),
    "tab": lambda state: _turn(state, 1),
    "back-tab": lambda state: _turn(state, -1),
    "home": lambda state: state.move(scroll=0),
    "end": lambda state: state.move(scroll=_END),
    "/": lambda state: evolve(state, is_typing=True),
    "escape": lambda state: state.move(wanted="", scroll=0),
    "s": lambda state: state.move(order=state.position.order + 1, scroll=0),
    "?": lambda state: evolve(state, is_help=True),
    "h": lambda state: evolve(state, is_help=True),
}


def _type(state: State, key: str) -> State:
    wanted = state.position.wanted
    if key in ("enter", "tab"):
        return evolve(state, is_typing=False)
    if key == "escape":
        return evolve(state.move(wanted="", scroll=0), is_typing=False)
    if key == "backspace":
        return state.move(wanted=wanted[:-1], scroll=0)
    if len(key) == 1 and key.isprintable() and len(wanted) < LONGEST_FILTER:
        return state.move(wanted=wanted + key, scroll=0)
    return state
