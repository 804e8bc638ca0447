"""Questions to the service: which, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from mailproxy.control.call import NoService
from mailproxy.control.grammar import Request
from mailproxy.top.asking import MAX_ROWS, SHARE, Answers, Asker
from mailproxy.top.mailbox import Mailbox
from mailproxy.top.model import Model
from mailproxy.top.sample import ALWAYS, CERTIFICATES, FRONTENDS, INFO, SERVERS
from tests.control.service import DONE
from tests.top.service import Service

SECONDS = 20.0


class FakeCall:
    """Answers at once, or after some time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.took: dict[str, float] = {}
        self.rows = 1
        self.refuses = False
        self.asked: list[str] = []

    def ask(self, request: Request) -> Iterator[dict[str, Any]]:
        name = request.command.name
        self.asked.append(name)
        self.now += self.took.get(name, 0.0)
        if self.refuses:
            yield {"type": "error", "error": "no"}
        else:
            yield from [{"type": "row", "number": number} for number in range(self.rows)]
            yield DONE

    def answers(self) -> Answers:
        fake: Any = self
        return Answers(fake, 1.0, lambda: self.now)


def test_what_all_views_need_is_asked_with_what_one_needs() -> None:
    call = FakeCall()
    found = call.answers().ask([SERVERS])
    assert call.asked == [*ALWAYS, SERVERS]
    assert found.of(SERVERS) == [{"type": "row", "number": 0}]


def test_question_is_asked_again_after_the_interval() -> None:
    call = FakeCall()
    answers = call.answers()
    first = answers.ask([])
    call.now += 0.5
    assert answers.ask([]).at == first.at
    assert call.asked == [*ALWAYS]
    call.now += 0.5
    assert answers.ask([]).at == first.at + 1.0
    assert call.asked == [*ALWAYS] * 2


def test_what_seldom_changes_is_seldom_asked() -> None:
    call = FakeCall()
    answers = call.answers()
    for _ in range(40):
        found = answers.ask([CERTIFICATES])
        call.now += 1.0
    assert call.asked.count(CERTIFICATES) == 2
    assert found.of(CERTIFICATES)


def test_what_takes_the_service_long_is_asked_less_often() -> None:
    call = FakeCall()
    call.took = {"show sources": 1.0}
    answers = call.answers()
    asked = []
    for _ in range(5 * SHARE):
        began = call.now
        answers.ask(["show sources by rate limit 100"])
        if call.asked[-1] == "show sources" and call.now > began:
            asked.append(began)
        call.now += 0.25
    assert len(asked) > 1
    assert min(later - earlier for earlier, later in pairwise(asked)) >= SHARE


def test_refusal_is_an_answer_until_there_is_another() -> None:
    call = FakeCall()
    call.refuses = True
    answers = call.answers()
    assert answers.ask([SERVERS]).refused[SERVERS] == "no"
    call.refuses = False
    call.now += 1.0
    assert answers.ask([SERVERS]).refused == {}


def test_rows_are_bounded() -> None:
    call = FakeCall()
    call.rows = MAX_ROWS + 10
    assert len(call.answers().ask([]).of(FRONTENDS)) == MAX_ROWS


class Bench:
    """An asker, and what it leaves."""

    def __init__(self, path: Any, interval: float = 0.01) -> None:
        self.rung: SimpleQueue[bool] = SimpleQueue()
        self.mailbox = Mailbox(lambda: self.rung.put(True))
        self.model = Model()
        self.asker = Asker(path, interval, self.mailbox, (), retry_seconds=0.01)

    def until(self, is_there: Any) -> None:
        while not is_there():
            self.rung.get(timeout=SECONDS)
            self.mailbox.deliver(self.model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_service_that_was_away_is_asked_again(folder: Path) -> None:
    bench = Bench(lambda: str(folder / "s"))
    bench.asker.start()
    try:
        bench.until(lambda: "does not exist" in bench.model.trouble)
        for pid in (1, 2):
            with Service(folder / "s") as service:
                service.rows[INFO] = [{"pid": pid}]
                bench.until(lambda pid=pid: bench.model.sample.info.get("pid") == pid and not bench.model.trouble)
            bench.until(lambda: bench.model.trouble)
    finally:
        bench.asker.stop()
        bench.asker.join(SECONDS)
    assert not bench.asker.is_alive()


def test_other_questions_are_asked_at_once(folder: Path) -> None:
    with Service(folder / "s") as service:
        bench = Bench(lambda: service.path, interval=3600.0)
        bench.asker.start()
        bench.until(lambda: bench.model.sample.rows)
        bench.asker.want((SERVERS,))
        bench.until(lambda: bench.model.sample.of(SERVERS))
        bench.asker.stop()
        bench.asker.join(SECONDS)


def test_file_without_a_socket_is_trouble() -> None:
    def path() -> str:
        raise NoService("a.toml: has no admin socket")

    bench = Bench(path)
    bench.asker.start()
    bench.until(lambda: bench.model.trouble)
    bench.asker.stop()
    bench.asker.join(SECONDS)
    assert bench.model.trouble == "a.toml: has no admin socket"
