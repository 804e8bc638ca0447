"""The whole screen as lines: totals, the names of the views, the page of one, and what the keys do."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from mailproxy.control.attention import severity_of
from mailproxy.control.format import duration, shown
from mailproxy.session.counters import ERRORS, REFUSALS
from mailproxy.top.letters import Charset, wrapped
from mailproxy.top.model import Model
from mailproxy.top.sample import number
from mailproxy.top.state import State
from mailproxy.top.styled import Line, Part, Style, fitted, line
from mailproxy.top.views import VIEWS
from mailproxy.top.views.view import Facts, Page
from mailproxy.top.views.words import bar, part, rate, speed

_ROUND_PAGE = 5
"""The lines around a page: two of totals, the names of the views, the heading, and the keys."""

LATE_SECONDS = 3.0
"""Answers that are older than this, and three intervals, are marked as old."""

_KEYS = (
    "1 2 3 4 5 6       choose a view; tab chooses the next one",
    "arrows, j k       scroll by a line",
    "PgUp PgDn, space  scroll by a page; Home and End go to its ends",
    "/                 show the rows that contain a text; Enter keeps it, Esc ends it",
    "s                 sort the rows in another way",
    "q                 quit",
    "",
)

_WORDS = (
    "Rates are averages of the last 5 seconds. REFUSED counts clients that a server, a limit, a ban or a "
    "rule refuses. ERRORS counts "
    "failed handshakes, refused PROXY headers, clients without a server, and bytes injected before TLS.",
    "A server is down by its checks, has no-address by DNS, and is in drain or maint by an administrator, the agent or "
    "the configuration. SINCE is its age in this state, - since the start. A weight in brackets is the effective one.",
)


@frozen
class Screen:
    """What is drawn."""

    lines: Sequence[Line]
    state: State
    """With a scroll that the page has."""
    page_height: int


def screen(
    model: Model, state: State, *, width: int, height: int, charset: Charset, now: float, interval: float
) -> Screen:
    """Write the screen; `now` is by the clock of the samples."""
    view, position = VIEWS[state.view], state.position
    order = view.order(position.order)
    page_height = max(height - _ROUND_PAGE, 0)
    if state.is_help:
        page = Page([line(one) for one in (*_KEYS, *(one for words in _WORDS for one in wrapped(words, width)))])
    else:
        page = view.page(Facts(model, width, charset, order, position.wanted))
    scroll = min(position.scroll, max(len(page.lines) - page_height, 0))
    shown_lines = page.lines[scroll : scroll + page_height]
    lines = [
        *totals(model, width, charset, now, interval),
        _tabs(state, width),
        page.heading,
        *shown_lines,
        *([()] * (page_height - len(shown_lines))),
        _foot(state, order, scroll, len(page.lines), page_height, charset),
    ]
    fit = [fitted(one, width, charset.more) for one in lines]
    if height < len(fit):
        fit = fit[:height]
    return Screen(fit, state.move(scroll=scroll), page_height)


def totals(model: Model, width: int, charset: Charset, now: float, interval: float) -> list[Line]:
    """Write the first two lines."""
    info, rates = model.sample.info, model.rates
    state = charset.clean(shown(info.get("state"))) if info else "not asked yet"
    first = [Part("mailproxy ", "title"), Part(state, severity_of(info.get("state")))]
    if info:
        facts = (shown(info.get("version")), f"pid {shown(info.get('pid'))}", f"up {duration(info.get('uptime_s'))}")
        first.append(Part(charset.dot + charset.dot.join(map(charset.clean, facts)), "faint"))
        if info.get("reload") == "failure":
            first.append(Part(f"{charset.dot}last reload failed", "bad"))
    if model.trouble:
        first = [Part("NOT CONNECTED, trying again: ", "bad"), Part(charset.clean(model.trouble))]
    elif info and now - model.sample.at > max(LATE_SECONDS, 3 * interval):
        first.append(Part(f"{charset.dot}no answer for {duration(now - model.sample.at)}", "bad"))
    sessions, most = number(info, "sessions"), number(info, "maxconn")
    errors = rates.total(*ERRORS)
    second = [
        Part("clients "),
        Part(part(info, "sessions", "maxconn"), "bad" if 0 < most * 0.9 <= sessions else "title"),
        *([Part(f" {bar(sessions, most, 10, charset)}", "faint")] if width >= 100 else []),
        *_fact(charset, "new", f"{rate(rates.total('connections'))}/s"),
        *_fact(charset, "errors", f"{rate(errors)}/s", "bad" if errors else "title"),
        *_fact(charset, "refused", f"{rate(rates.total(*REFUSALS))}/s"),
        *_fact(charset, "in", f"{speed(rates.total('bytes_in'))}B/s"),
        *_fact(charset, "out", f"{speed(rates.total('bytes_out'))}B/s"),
    ]
    return [tuple(first), tuple(second)]


def _fact(charset: Charset, name: str, value: str, style: Style = "title") -> list[Part]:
    return [Part(f"{charset.dot}{name} "), Part(value, style)]


def _tabs(state: State, width: int) -> Line:
    names = [f"{number_}" if width < 80 else f"{number_} {view.name}" for number_, view in enumerate(VIEWS, 1)]
    if width < 80:
        names[state.view] += f" {VIEWS[state.view].name}"
    return tuple(Part(f" {name} ", "chosen" if place == state.view else "faint") for place, name in enumerate(names))


def _foot(state: State, order: str, scroll: int, count: int, height: int, charset: Charset) -> Line:
    if state.is_typing:
        return (Part("/", "title"), Part(charset.clean(state.position.wanted)), Part("_", "title"))
    if state.is_help:
        return line("any key: back", "faint")
    parts = ["q quit", "? help", "/ filter", f"s sort: {order}" if order else ""]
    if count > height:
        parts.insert(0, f"{scroll + 1}-{min(scroll + height, count)} of {count}")
    keys = Part(charset.dot.join(filter(None, parts)), "faint")
    if state.position.wanted:
        wanted = Part(f"filter: {charset.clean(state.position.wanted)}", "caution")
        return (wanted, Part(" (Esc ends it)" + charset.dot, "faint"), keys)
    return (keys,)
