"""Single keys from the terminal on standard input, without Enter."""

import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


def has_terminal() -> bool:
    """Return whether standard input is a terminal with this process in its foreground."""
    try:
        return os.isatty(sys.stdin.fileno()) and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # of another session, closed, or none at all
        return False


@contextmanager
def single_keys() -> Iterator[None]:
    """Get keys as they are pressed, and do not show them; Ctrl-C still works. The terminal is restored afterwards."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@implementer(IReadDescriptor)
class Keys:
    """
    Reads keys on a reactor.

    It reads only when there are keys, so standard input stays blocking: programs that share the terminal share that
    mode.
    """

    def __init__(self, reactor: IReactorFDSet, pressed: Callable[[str], None]) -> None:
        """Call `pressed` with each key."""
        self._reactor = reactor
        self._pressed = pressed
        reactor.addReader(self)

    def fileno(self) -> int:
        """Give standard input."""
        return sys.stdin.fileno()

    def logPrefix(self) -> str:
        """Name this reader."""
        return "keys"

    def doRead(self) -> None:
        """Take the pressed keys."""
        try:
            keys = os.read(self.fileno(), 64)
        except OSError:
            keys = b""
        if not keys:
            self._reactor.removeReader(self)
        for key in keys.decode("ascii", "ignore"):
            self._pressed(key)

    def connectionLost(self, reason: Failure) -> None:
        """Stop reading."""
        self._reactor.removeReader(self)
