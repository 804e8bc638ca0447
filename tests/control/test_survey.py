"""A look at all sessions of a process."""

from __future__ import annotations

import pytest

from mailproxy.control import survey as module
from mailproxy.control.survey import ROWS, SurveyFrom, look_at, merged, survey_page
from tests.control.conftest import Make
from tests.running import Running


@pytest.fixture
def running(make: Make) -> Running:
    return make(tls="implicit")


def test_sessions_of_each_client_are_counted(running: Running) -> None:
    for _ in range(3):
        running.relay(tls=True)
    page = survey_page(running.service, SurveyFrom("", -1))
    assert page.clients == (("127.0.0.1", 3),)
    assert (page.matches, page.sessions, page.last, len(page.rows)) == (3, 3, None, 3)


@pytest.mark.parametrize(
    ("search", "matches"),
    [
        ("127.0.0", 1),
        ("MAIL.example", 1),
        ("dovecot/d1", 1),
        ("192.0.2.", 0),
        ("nobody", 0),
    ],
)
def test_search_is_for_what_identifies_a_session(running: Running, search: str, matches: int) -> None:
    running.relay(tls=True)
    page = survey_page(running.service, SurveyFrom(search, -1))
    assert (page.matches, page.sessions, len(page.rows)) == (matches, 1, matches)


def test_search_finds_the_id(running: Running) -> None:
    running.relay(tls=True)
    (session,) = running.service.sessions
    assert survey_page(running.service, SurveyFrom(session.id, -1)).matches == 1


def test_pages_have_each_session_once(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_PER_PAGE", 2)
    for _ in range(5):
        running.relay(tls=True)
    pages = []
    number: int | None = -1
    while number is not None:
        pages.append(survey_page(running.service, SurveyFrom("", number)))
        number = pages[-1].last
    assert [page.sessions for page in pages] == [2, 2, 1]
    whole = merged(pages)
    assert (whole.sessions, whole.clients, len({row.id for row in whole.rows})) == (5, (("127.0.0.1", 5),), 5)


def test_newest_are_shown(running: Running) -> None:
    for _ in range(ROWS + 3):
        running.relay(tls=True)
        running.reactor.advance(0.01)
    newest = sorted(running.service.sessions, key=lambda session: -session.number)[:ROWS]
    page = look_at(running.service, running.service.sessions, "")
    assert {row.id for row in page.rows} == {session.id for session in newest}
    assert (page.matches, page.sessions) == (ROWS + 3, ROWS + 3)
    assert {row.id for row in merged([page, page]).rows} <= {session.id for session in newest}
