"""A look at all sessions of all processes, in many turns, for the page."""

from __future__ import annotations

from mailproxy.control.questions import Ask
from mailproxy.control.running import Running
from mailproxy.control.survey import Survey, SurveyFrom, Surveyor, SurveyPage, survey_page
from mailproxy.web.turns import Turns


async def survey_all(running: Running, search: str, turns: Turns) -> Survey:
    """Look at the sessions of all processes; those of a process that ends meanwhile are left out."""
    surveyor = Surveyor()
    for ask in (None, *running.others):
        asked: SurveyFrom | None = SurveyFrom(search)
        while asked is not None:
            page = survey_page(running, asked) if ask is None else await _page(ask, asked)
            surveyor.add(page)
            asked = asked.after(page)
            await turns.next()
    return surveyor.survey


async def _page(ask: Ask, asked: SurveyFrom) -> SurveyPage:
    try:
        page = await ask(asked)
    except Exception:
        return SurveyPage()
    assert isinstance(page, SurveyPage)
    return page
