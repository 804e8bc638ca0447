"""The terminal: curses, for keys and for drawing."""

from __future__ import annotations

import curses
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from mailproxy.top.letters import Charset
from mailproxy.top.styled import Line, Style

_KEYS = {
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_PPAGE: "page-up",
    curses.KEY_NPAGE: "page-down",
    curses.KEY_HOME: "home",
    curses.KEY_END: "end",
    curses.KEY_BTAB: "back-tab",
    curses.KEY_BACKSPACE: "backspace",
    curses.KEY_ENTER: "enter",
}

_LETTERS = {"\t": "tab", "\n": "enter", "\r": "enter", "\x1b": "escape", "\x7f": "backspace", "\b": "backspace"}

REDRAW = "\x0c"
"""Ctrl-L: draw everything again, after another program has written to the terminal."""

_ESCAPE_MILLISECONDS = 25
"""How long the rest of a key's sequence may take after its escape character."""

_MONOCHROME: dict[Style, int] = {
    "plain": curses.A_NORMAL,
    "title": curses.A_BOLD,
    "heading": curses.A_REVERSE,
    "good": curses.A_NORMAL,
    "caution": curses.A_UNDERLINE,
    "bad": curses.A_BOLD,
    "faint": curses.A_DIM,
    "chosen": curses.A_REVERSE,
}

_COLOURS: dict[Style, int] = {"good": curses.COLOR_GREEN, "caution": curses.COLOR_YELLOW, "bad": curses.COLOR_RED}


class Terminal:
    """A terminal in curses' hands, from `curses.wrapper`."""

    def __init__(self, window: curses.window, charset: Charset, *, wants_colours: bool = True) -> None:
        self._window = window
        self._charset = charset
        self._attributes = dict(_MONOCHROME)
        window.nodelay(True)
        window.keypad(True)
        curses.set_escdelay(_ESCAPE_MILLISECONDS)
        with suppress(curses.error):  # a terminal that cannot hide its cursor
            curses.curs_set(0)
        if wants_colours and curses.has_colors():
            self._take_colours()

    def _take_colours(self) -> None:
        background = -1
        try:
            curses.use_default_colors()
        except curses.error:
            background = curses.COLOR_BLACK
        for number, (style, colour) in enumerate(_COLOURS.items(), 1):
            with suppress(curses.error, ValueError):  # fewer colours than these
                curses.init_pair(number, colour, background)
                bold = curses.A_BOLD if style == "bad" else curses.A_NORMAL
                self._attributes[style] = curses.color_pair(number) | bold

    @property
    def size(self) -> tuple[int, int]:
        """The number of lines and columns."""
        return self._window.getmaxyx()

    def resize(self, descriptor: int) -> None:
        """Take the size that the terminal has now."""
        with suppress(OSError, curses.error):
            size = os.get_terminal_size(descriptor)
            if size.lines and size.columns:
                curses.resizeterm(size.lines, size.columns)
                self._window.clear()

    def typed(self) -> Iterator[str]:
        """Yield the keys that wait: letters, and names such as "page-up"."""
        while True:
            try:
                key = self._window.get_wch()
            except curses.error:
                return
            if isinstance(key, int):
                yield _KEYS.get(key, "")
            else:
                yield _LETTERS.get(key, key)

    def redraw(self) -> None:
        """Draw everything at the next `draw`."""
        self._window.clear()

    def draw(self, lines: Sequence[Line]) -> None:
        """Draw the screen; curses writes only what has changed."""
        self._window.erase()
        for row, line in enumerate(lines):
            with suppress(curses.error):  # the last cell: the cursor has no place after it
                self._window.move(row, 0)
                for part in line:
                    # All words are clean by now; what moves the cursor must not reach the terminal in any case.
                    self._window.addstr(self._charset.clean(part.words), self._attributes[part.style])
        self._window.refresh()
