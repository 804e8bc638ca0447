"""How values are written on the page."""

from __future__ import annotations

import time

from mailproxy.control.attention import severity_of
from mailproxy.control.format import amount, duration
from mailproxy.web.stats.markup import THIN_SPACE, Child, Markup, tag

NOTHING = tag("span", "–", class_="none")


def state(word: str, note: str = "") -> Markup:
    """Write a state, in colour and as a word, because not everybody sees colours."""
    return tag("span", f"{word}{f' ({note})' if note else ''}", class_=f"state {severity_of(word)}")


def whole(number: float) -> str:
    """Write a number with thin spaces between thousands."""
    return f"{number:,.0f}".replace(",", THIN_SPACE)


def some(number: int, one: str, many: str) -> str:
    """Write a number of things: with the noun for one, or for many."""
    return f"{whole(number)} {one if number == 1 else many}"


def rate(number: float) -> str:
    """Write a number of events a second."""
    return f"{number:.1f}" if 0 < number < 10 else whole(number)


def size(number: float) -> str:
    """Write a number of bytes."""
    written = amount(number)
    return f"{written[:-1]}{THIN_SPACE}{written[-1]}iB" if written[-1].isalpha() else f"{written}{THIN_SPACE}B"


def ago(seconds: float | None) -> Child:
    """Write how long something lasts; None: since the start."""
    return tag("small", "start") if seconds is None else tag("span", duration(seconds), class_="num")


def text(words: object) -> Child:
    """Write text, or a dash if there is none."""
    return str(words) if words not in (None, "") else NOTHING


def moment(at: float) -> Markup:
    """Write a time of the day, in UTC, with the date for programs and as a hint."""
    full = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return tag("time", time.strftime("%H:%M:%S", time.gmtime(at)), datetime=full, title=full.replace("T", " "))


def cell(label: str, *children: Child, class_: str | None = None) -> Markup:
    """Write a cell of a table; on narrow screens, where each row is a card, it shows its label."""
    return tag("td", *children, data_label=label, class_=class_)


def heads(*names: str) -> Markup:
    """Write the head of a table; names that begin with # are above numbers."""
    return tag(
        "thead",
        tag(
            "tr",
            [
                tag("th", name.removeprefix("#"), scope="col", class_="num" if name.startswith("#") else None)
                for name in names
            ],
        ),
    )


def section(id: str, title: str, *children: Child, note: Child = None) -> Markup:
    """Write a section of the page; `id` names it for updates."""
    title_id = f"{id}-title"
    head = tag("div", tag("h2", title, id=title_id), tag("p", note, class_="note") if note else None, class_="head")
    return tag("section", head, *children, id=id, aria_labelledby=title_id)


def bar(part: float, whole_: float, *, can_be_full: bool = True) -> Markup:
    """Draw a part of a whole; the numbers are written beside it. Where a full one is bad, it is red."""
    width = round(100 * min(max(part / whole_, 0), 1), 1) if whole_ else 0
    return tag(
        "svg",
        tag("rect", width=str(width), height="4", class_="hot" if can_be_full and width >= 90 else None),
        class_="bar",
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
