"""One snapshot as plain text, for pipes and for terminals without curses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from mailproxy.control.call import Call
from mailproxy.top.asking import Answers
from mailproxy.top.letters import Charset
from mailproxy.top.model import Model
from mailproxy.top.screen import totals
from mailproxy.top.styled import plain
from mailproxy.top.views import VIEWS, events
from mailproxy.top.views.view import Facts


def snapshot_lines(
    call: Call, interval: float, *, width: int, charset: Charset, sleep: Callable[[float], object] = time.sleep
) -> Iterator[str]:
    """Yield the lines of a snapshot; its rates are of one interval, which this takes."""
    views = [view for view in VIEWS if view is not events.VIEW]
    questions = tuple(dict.fromkeys(question for view in views for question in view.asks(view.order(0))))
    model = Model()
    model.take(Answers(call, interval).ask(()))
    sleep(interval)
    model.take(Answers(call, interval).ask(questions))
    for line in totals(model, width, charset, model.sample.at, interval):
        yield plain(line)
    for view in views:
        page = view.page(Facts(model, width, charset, view.order(0)))
        yield ""
        yield f"{view.name.upper()}"
        yield from (plain(line) for line in ([page.heading] if page.heading else []))
        yield from map(plain, page.lines)
