"""One process of a service answers for all: their sessions are shown, ended and kicked from there."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from mailproxy.control.questions import Ask, Question, answer_question
from mailproxy.control.session_pages import SESSIONS_PER_PAGE, SessionPage, SessionsFrom
from tests.control.bench import Admin, admin_of
from tests.control.conftest import Make
from tests.running import Running


def asks(running: Running) -> Ask:
    """What asks another process."""
    return lambda question: succeed(answer_question(running.service, question))


def gone(question: Question) -> Deferred[object]:
    """What asks a process that is gone."""
    return fail(ConnectionError("gone"))


def admin(running: Running, *others: Ask) -> Admin:
    return admin_of(running.service, running.reactor, others)


@pytest.fixture
def here(make: Make) -> Running:
    return make()


@pytest.fixture
def there(make: Make) -> Running:
    made = make()
    made.relay()
    made.relay()
    return made


def test_sessions_are_those_of_all_processes(here: Running, there: Running) -> None:
    here.relay()
    one = admin(here, gone, asks(there), gone)
    ids = [row["id"] for row in one.rows("show sessions")]
    assert ids == [session.id for running in (here, there) for session in sorted(running.service.sessions, key=number)]
    assert one.rows("show sessions", stage="handshake") == []


def number(session: object) -> int:
    value = getattr(session, "number", 0)
    assert isinstance(value, int)
    return value


def test_sessions_of_another_process_come_in_pages(there: Running) -> None:
    running = there
    while sum(1 for _ in running.service.sessions) < 2 * SESSIONS_PER_PAGE + 1:
        running.relay()
    sizes = []
    after: int | None = -1
    while after is not None:
        page = answer_question(running.service, SessionsFrom({}, after))
        assert isinstance(page, SessionPage)
        sizes.append(len(page.sessions))
        after = page.last
    assert sizes == [SESSIONS_PER_PAGE, SESSIONS_PER_PAGE, 1]


def test_answer_waits_for_another_process(here: Running, there: Running) -> None:
    asked: list[Question] = []
    answer: Deferred[object] = Deferred()

    def ask(question: Question) -> Deferred[object]:
        asked.append(question)
        return answer

    one = admin(here, ask)
    assert one.ask("show sessions") == []
    answer.callback(answer_question(there.service, asked[0]))
    one.turn()
    assert [line["type"] for line in one.lines()] == ["row", "row", "done"]


def test_answer_that_is_waited_for_waits_for_the_client(here: Running, there: Running) -> None:
    answer: Deferred[object] = Deferred()
    one = admin(here, lambda question: answer)
    one.ask("show sessions")
    one.client.pauseProducing()
    answer.callback(answer_question(there.service, SessionsFrom({}, -1)))
    one.turn()
    assert one.lines() == []
    one.client.resumeProducing()
    one.turn()
    assert [line["type"] for line in one.lines()] == ["row", "row", "done"]


def test_answer_that_comes_after_the_client_left_is_dropped(here: Running) -> None:
    answer: Deferred[object] = Deferred()
    one = admin(here, lambda question: answer)
    one.ask("show sessions")
    one.lose()
    answer.callback(SessionPage((), None))
    one.turn()
    assert one.lines() == []


def test_session_of_another_process_is_ended(here: Running, there: Running) -> None:
    one = admin(here, gone, asks(there))
    there.advance(1)
    (id, _) = (row["id"] for row in one.rows("show sessions"))
    assert one.reply("shutdown session", session=id) == f"session {id} ends"
    assert one.reply("shutdown session", session=id).startswith("there is no session")
    assert sum(session.termination is None for session in there.service.sessions) == 1


def test_server_is_drained_in_all_processes(here: Running, there: Running) -> None:
    here.relay()
    one = admin(here, asks(there), gone)
    words = one.reply("drain server", server="dovecot/d1", kick="yes")
    assert words == "server dovecot/d1 gets no new sessions, 3 sessions left"
    there.advance(3)
    assert all(session.termination is not None for session in there.service.sessions)
