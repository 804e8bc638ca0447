"""Results for people and for programs."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from attrs import asdict

from mailproxy.audit.result import Result, Verdict

_HEADINGS = ("case", "sent", "came", "verdict")
_GAP = "  "
_NARROWEST = 20
"""The least width of the wrapped columns, in characters, on any terminal."""

_LONGEST_CELL = 300
"""The longest cell, in characters; longer answers are truncated here, but not in JSON."""


def table(results: Sequence[Result], width: int) -> str:
    """Return a table of the results, at most `width` characters wide if possible, and a summary."""
    rows = [_HEADINGS, *map(_row, results)]
    first, last = (max(len(row[column]) for row in rows) for column in (0, 3))
    middle = max(_NARROWEST, (width - first - last - 3 * len(_GAP)) // 2)
    widths = (first, middle, middle, last)
    ruler = tuple("-" * columns for columns in widths)
    lines = [line for row in (rows[0], ruler, *rows[1:]) for line in _lines(row, widths)]
    return "\n".join((*lines, "", *_summary(results)))


def as_json(results: Iterable[Result], server: str, protocol: str) -> str:
    """Return the results as one JSON object: server, protocol, and a list of objects with the fields of `Result`."""
    return json.dumps(
        {"server": server, "protocol": protocol, "results": [asdict(result) for result in results]},
        ensure_ascii=False,
        indent=2,
    )


def _row(result: Result) -> tuple[str, str, str, str]:
    text = f"{result.came.rstrip()} — {result.note}" if result.came and result.note else result.came or result.note
    return result.case, _short(result.sent), _short(text), str(result.verdict)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [wrap(text, columns) or [""] for text, columns in zip(row, widths, strict=True)]
    for number in range(max(map(len, cells))):
        pieces = (
            (cell[number] if number < len(cell) else "").ljust(columns)
            for cell, columns in zip(cells, widths, strict=True)
        )
        yield _GAP.join(pieces).rstrip()


def _summary(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.verdict is Verdict.VULNERABLE:
            yield f"{result.case}: {result.meaning}"
    counts = Counter(result.verdict for result in results)
    yield ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
