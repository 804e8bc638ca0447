"""Keys from a terminal."""

import os
import pty
import sys
import termios
from collections.abc import Iterator
from typing import Any

import pytest

from mailproxy.demo.keys import Keys, has_terminal, single_keys


class Reactor:
    """Keeps readers."""

    def __init__(self) -> None:
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other side of a terminal that is standard input."""
    ours, theirs = pty.openpty()
    with open(theirs) as terminal, open(ours, "wb", buffering=0):
        monkeypatch.setattr(sys, "stdin", terminal)
        yield ours


def test_keys_are_read_without_enter(keyboard: int) -> None:
    pressed: list[str] = []
    keys = Keys(Reactor(), pressed.append)  # type: ignore[arg-type]  # the part that is used
    with single_keys():
        os.write(keyboard, b"1p")
        keys.doRead()
    assert pressed == ["1", "p"]


def test_terminal_is_restored(keyboard: int) -> None:
    before = termios.tcgetattr(sys.stdin)
    with single_keys():
        assert not termios.tcgetattr(sys.stdin)[3] & termios.ICANON
    assert termios.tcgetattr(sys.stdin) == before


def test_input_stays_blocking(keyboard: int) -> None:
    Keys(Reactor(), lambda key: None)  # type: ignore[arg-type]
    assert os.get_blocking(sys.stdin.fileno())


def test_end_of_input_ends_the_reading(keyboard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = Reactor()
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        keys = Keys(reactor, lambda key: None)  # type: ignore[arg-type]
        keys.doRead()
    assert reactor.readers == []


def test_file_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert not has_terminal()


def test_terminal_of_another_session_is_not_ours(keyboard: int) -> None:
    assert not has_terminal()
