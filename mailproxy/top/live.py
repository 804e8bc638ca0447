"""The loop of ``mailproxy top``: keys, answers and the size of the terminal change the screen."""

from __future__ import annotations

import curses
import locale
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from mailproxy.top.asking import Asker
from mailproxy.top.letters import charset_of
from mailproxy.top.listening import Listener
from mailproxy.top.mailbox import Mailbox
from mailproxy.top.model import Model
from mailproxy.top.screen import screen
from mailproxy.top.state import Position, State, press
from mailproxy.top.terminal import REDRAW, Terminal
from mailproxy.top.views import VIEWS

TICK_SECONDS = 1.0
"""How often the screen is drawn if nothing happens: for events, and for the age of the last answer."""


def show_live(path: Callable[[], str], interval: float) -> None:
    """Show the service until the user quits."""
    locale.setlocale(locale.LC_ALL, "")
    bell, ringer = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(ringer, False)
    resized: list[bool] = []

    def note(number: int, frame: FrameType | None) -> None:
        resized.append(True)

    # Before curses, which otherwise handles it by itself, and tells nobody who waits in `select`.
    signal.signal(signal.SIGWINCH, note)
    signal.set_wakeup_fd(ringer, warn_on_full_buffer=False)

    def ring() -> None:
        with suppress(BlockingIOError):  # it has not been heard yet
            os.write(ringer, b"\0")

    def show(window: curses.window) -> None:
        charset = charset_of(locale.getencoding())
        _Loop(Terminal(window, charset, wants_colours="NO_COLOR" not in os.environ), path, interval, ring).run(
            bell, resized
        )

    try:
        curses.wrapper(show)
    finally:
        signal.set_wakeup_fd(-1)


class _Loop:
    def __init__(
        self, terminal: Terminal, path: Callable[[], str], interval: float, ring: Callable[[], object]
    ) -> None:
        self._terminal = terminal
        self._interval = interval
        self._charset = charset_of(locale.getencoding())
        self._mailbox = Mailbox(ring)
        self._model = Model()
        self._state = State((Position(),) * len(VIEWS))
        self._asker = Asker(path, interval, self._mailbox, self._questions())
        self._listener = Listener(path, self._mailbox)

    def _questions(self) -> tuple[str, ...]:
        view = VIEWS[self._state.view]
        return view.asks(view.order(self._state.position.order))

    def run(self, bell: int, resized: list[bool]) -> None:
        """Draw and wait until the user quits."""
        keyboard = sys.stdin.fileno()
        self._asker.start()
        self._listener.start()
        height = self._draw()
        while not self._state.is_over:
            ready, _, _ = select.select([keyboard, bell], [], [], TICK_SECONDS)
            if bell in ready:
                with suppress(BlockingIOError):
                    os.read(bell, 4096)
            if resized:
                resized.clear()
                self._terminal.resize(keyboard)
            for key in self._terminal.typed():
                if key == REDRAW:
                    self._terminal.redraw()
                self._state = press(self._state, key, height)
            self._asker.want(self._questions())
            self._mailbox.deliver(self._model)
            height = self._draw()
        self._asker.stop()

    def _draw(self) -> int:
        height, width = self._terminal.size
        drawn = screen(
            self._model,
            self._state,
            width=width,
            height=height,
            charset=self._charset,
            now=time.monotonic(),
            interval=self._interval,
        )
        self._state = drawn.state
        self._terminal.draw(drawn.lines)
        return drawn.page_height
