"""A look at all sessions of all processes, in many turns, for the page."""

from __future__ import annotations

from itertools import islice

from mailproxy.control.running import Running
from mailproxy.control.survey import SurveyFrom, SurveyPage, look_at, merged
from mailproxy.web.turns import Turns

SESSIONS_PER_TURN = 200
"""The most sessions of this process that one turn looks at: half a millisecond."""


async def survey_all(running: Running, search: str, turns: Turns) -> SurveyPage:
    """Look at the sessions of all processes; those of a process that ends meanwhile are left out."""
    pages = []
    sessions = iter(list(running.generation.sessions))
    while some := list(islice(sessions, SESSIONS_PER_TURN)):
        pages.append(look_at(running, some, search))
        await turns.next()
    for ask in running.others:
        number: int | None = -1
        while number is not None:
            try:
                page = await ask(SurveyFrom(search, number))
            except Exception:
                break
            assert isinstance(page, SurveyPage)
            pages.append(page)
            number = page.last
            await turns.next()
    return merged(pages)
