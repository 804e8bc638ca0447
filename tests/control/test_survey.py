"""A look at all sessions of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailproxy.control.survey import (
    ROWS,
    ROWS_PER_PAGE,
    SESSIONS_PER_PAGE,
    TOP_CLIENTS,
    Survey,
    SurveyFrom,
    Surveyor,
    SurveyPage,
    survey_page,
)
from tests.control.conftest import Make
from tests.running import Running


@pytest.fixture
def running(make: Make) -> Running:
    return make(tls="implicit")


def pages(running: Running, search: str = "") -> Iterator[SurveyPage]:
    asked: SurveyFrom | None = SurveyFrom(search)
    while asked is not None:
        page = survey_page(running.service, asked)
        yield page
        asked = asked.after(page)


def survey(*those: SurveyPage) -> Survey:
    surveyor = Surveyor()
    for page in those:
        surveyor.add(page)
    return surveyor.survey


def test_sessions_of_each_client_are_counted(running: Running) -> None:
    for _ in range(3):
        running.relay(tls=True)
    (page,) = pages(running)
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
    (page,) = pages(running, search)
    assert (page.matches, page.sessions, len(page.rows)) == (matches, 1, matches)


def test_search_finds_the_id(running: Running) -> None:
    running.relay(tls=True)
    (session,) = running.service.sessions
    (page,) = pages(running, session.id)
    assert page.matches == 1


def test_pages_have_each_session_once_and_the_newest_first(running: Running) -> None:
    for _ in range(2 * ROWS_PER_PAGE + 1):
        running.relay(tls=True)
    those = list(pages(running))
    assert [page.sessions for page in those] == [ROWS_PER_PAGE, ROWS_PER_PAGE, 1]
    newest = sorted(running.service.sessions, key=lambda session: -session.number)
    assert [row.id for page in those for row in page.rows] == [session.id for session in newest]
    whole = survey(*those)
    assert (whole.sessions, whole.clients) == (len(newest), (("127.0.0.1", len(newest)),))


def test_page_has_no_more_rows_than_are_needed(running: Running) -> None:
    for _ in range(3):
        running.relay(tls=True)
    page = survey_page(running.service, SurveyFrom("", rows=2))
    assert (len(page.rows), page.matches, page.sessions, page.last) == (2, 3, 3, None)


def test_page_without_rows_looks_at_more_sessions(make: Make) -> None:
    running = make()
    for _ in range(SESSIONS_PER_PAGE + 1):
        running.client()
    running.until(lambda: len(list(running.service.sessions)) == SESSIONS_PER_PAGE + 1)
    page = survey_page(running.service, SurveyFrom("", rows=0))
    assert (page.rows, page.sessions) == ((), SESSIONS_PER_PAGE)
    oldest = min(session.number for session in running.service.sessions)
    assert page.last == oldest + 1


def test_newest_of_several_processes_are_shown(running: Running) -> None:
    for _ in range(3):
        running.relay(tls=True)
        running.reactor.advance(0.01)
    (page,) = pages(running)
    whole = survey(*[page] * ROWS)
    assert [row.id for row in whole.rows] == [page.rows[0].id] * ROWS
    assert (whole.matches, whole.sessions) == (3 * ROWS, 3 * ROWS)


def test_clients_of_all_pages_are_added_up() -> None:
    ones = tuple((f"192.0.2.{number}", 2) for number in range(100))
    whole = survey(SurveyPage(clients=ones), SurveyPage(clients=(("192.0.2.99", 1), ("198.51.100.1", 1))))
    assert whole.clients[0] == ("192.0.2.99", 3)
    assert (len(whole.clients), whole.addresses) == (TOP_CLIENTS, 101)
