"""The part of a VT100 that curses uses for it: a display that text is drawn on."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"\x1b\[([?\d;]*)([a-zA-Z])|\x1b[()].|\x1b[=>78]|[\x0e\x0f\x07]|(\x1b[DM]|[\r\n\b])|([^\x1b])", re.DOTALL
)


class Display:
    """What the user sees; other sequences than known ones are an error."""

    def __init__(self, lines: int, columns: int) -> None:
        self.resize(lines, columns)
        self._rest = ""

    def resize(self, lines: int, columns: int) -> None:
        """Be of another size, and empty."""
        self._size = lines, columns
        self._cells = [[" "] * columns for _ in range(lines)]
        self._row = self._column = 0
        self._region = 0, lines - 1

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join("".join(cells).rstrip() for cells in self._cells)

    def feed(self, text: str) -> None:
        """Draw text."""
        text = self._rest + text
        place = 0
        while found := _PIECE.match(text, place):
            place = found.end()
            numbers, command, control, letter = found.groups()
            if command:
                self._do(command, [int(one) for one in numbers.split(";") if one.isdigit()])
            elif control:
                self._control(control)
            elif letter:
                self._put(letter)
        self._rest = text[place:]
        assert len(self._rest) < 10, self._rest

    def _put(self, letter: str) -> None:
        lines, columns = self._size
        if self._column == columns:  # only now does the cursor leave a full line
            self._row, self._column = min(self._row + 1, lines - 1), 0
        self._cells[self._row][self._column] = letter
        self._column += 1

    def _control(self, control: str) -> None:
        top, bottom = self._region
        if control in ("\n", "\x1bD"):
            if self._row == bottom:
                del self._cells[top]
                self._cells.insert(bottom, [" "] * self._size[1])
            else:
                self._row = min(self._row + 1, self._size[0] - 1)
        elif control == "\x1bM":
            if self._row == top:
                del self._cells[bottom]
                self._cells.insert(top, [" "] * self._size[1])
            else:
                self._row = max(self._row - 1, 0)
        else:
            self._column = 0 if control == "\r" else max(self._column - 1, 0)

    def _do(self, command: str, numbers: list[int]) -> None:
        first = numbers[0] if numbers else 0
        lines, columns = self._size
        match command:
            case "H":
                row, column = [*numbers, 1, 1][:2] if len(numbers) != 1 else (first, 1)
                self._row, self._column = min(row, lines) - 1, min(column, columns) - 1
            case "A" | "B":
                self._row = min(max(self._row + max(first, 1) * (1 if command == "B" else -1), 0), lines - 1)
            case "C" | "D":
                step = max(first, 1) * (1 if command == "C" else -1)
                self._column = min(max(self._column + step, 0), columns - 1)
            case "J" if not first:
                self._erase(self._row, self._column, columns)
                for row in range(self._row + 1, lines):
                    self._erase(row, 0, columns)
            case "K":
                begin, end = (self._column, columns) if not first else (0, self._column + 1)
                self._erase(self._row, begin, end)
            case "r":
                self._region = (numbers[0] - 1, min(numbers[1], lines) - 1) if numbers else (0, lines - 1)
                self._row = self._column = 0
            case "m" | "h" | "l":
                pass
            case _:
                raise AssertionError((command, numbers))

    def _erase(self, row: int, begin: int, end: int) -> None:
        self._cells[row][begin:end] = " " * (end - begin)
