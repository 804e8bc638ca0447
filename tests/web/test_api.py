"""The commands of ctl over HTTP."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail
from twisted.logger import globalLogPublisher

from mailproxy.control import observe
from mailproxy.control.answer import Answer
from mailproxy.control.answers import Answers
from mailproxy.control.command import BY_NAME, COMMANDS, Command
from mailproxy.control.grammar import Request, request_with
from mailproxy.control.questions import Question
from mailproxy.web import api, health
from tests.control.conftest import Make
from tests.running import Running
from tests.web.bench import HOST, TOKEN, Web


@pytest.fixture
def running(make: Make) -> Running:
    return make()


@pytest.fixture
def web(running: Running) -> Web:
    return Web(running.service, running.reactor, globalLogPublisher)


def test_every_command_has_a_path(web: Web) -> None:
    listed = web.get("/api/v1/").json["commands"]
    here = {command.name for command in COMMANDS} - {"watch", "hand over", "leave"}
    assert {one["path"].removeprefix("/api/v1/").replace("/", " ") for one in listed} == here


def test_rows_are_those_of_ctl(web: Web, running: Running) -> None:
    running.relay()
    answer = web.get("/api/v1/show/sessions").json
    assert answer["message"] == ""
    (row,) = answer["rows"]
    assert (row["frontend"], row["server"], row["stage"]) == ("front", "d1", "relay")


def test_filters_are_in_the_query(web: Web, running: Running) -> None:
    running.relay()
    assert len(web.get("/api/v1/show/sessions?client=127.0.0.0/8&stage=relay").json["rows"]) == 1
    assert web.get("/api/v1/show/sessions?client=192.0.2.0%2F24").json["rows"] == []
    assert web.get("/api/v1/show/sessions?color=red").error.startswith('"color" is not an argument')


def test_rows_are_limited(web: Web, running: Running) -> None:
    for _ in range(3):
        running.relay()
    assert len(web.get("/api/v1/show/sessions").json["rows"]) == 3
    assert len(web.get("/api/v1/show/sessions?limit=2").json["rows"]) == 2


def test_command_with_a_limit_of_its_own_has_it(web: Web, carried_out: list[Request]) -> None:
    web.get("/api/v1/show/sources?limit=100")
    assert [one.arguments for one in carried_out] == [{"limit": "100"}]
    assert web.get("/api/v1/show/sources?limit=1001").error == 'LIMIT is "1001", needs a whole number from 1 to 1000'


def test_no_process_is_asked_for_a_client_that_has_left(web: Web) -> None:
    asked: list[Question] = []

    def ask(question: Question) -> Deferred[object]:
        asked.append(question)
        return Deferred()

    web.others += [ask, ask]
    client = web.client()
    client.send(f"GET /api/v1/show/sessions HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    client.lose()
    web.turn()
    assert len(asked) == 1


def test_process_that_has_ended_has_no_sessions(web: Web, running: Running) -> None:
    running.relay()
    web.others.append(lambda question: fail(ConnectionError("gone")))
    assert len(web.get("/api/v1/show/sessions").json["rows"]) == 1


def test_change_is_logged_though_its_client_has_left(web: Web, running: Running) -> None:
    asked: list[Deferred[object]] = []

    def ask(question: Question) -> Deferred[object]:
        asked.append(Deferred())
        return asked[-1]

    web.others.append(ask)
    client = web.client()
    client.send(
        f"POST /api/v1/shutdown/session?session=x-1 HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    client.lose()
    (answer,) = asked
    answer.callback(True)
    (event,) = [event for event in running.events if event.get("event") == "ctl"]
    assert event["words"] == "session x-1 ends"


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "", "99999999999", "\u0661"])
def test_limit_is_a_number(web: Web, limit: str) -> None:
    response = web.get(f"/api/v1/show/sessions?limit={quote(limit)}")
    assert (response.status, response.error) == (400, "limit has to be a whole number of rows from 1")


def test_change_is_made_and_logged(web: Web, running: Running) -> None:
    answer = web.post("/api/v1/set/server/state", {"server": "dovecot/d1", "state": "drain"}).json
    assert answer == {"rows": [], "message": "server dovecot/d1: state ready -> drain"}
    (row,) = web.get("/api/v1/show/servers").json["rows"]
    assert row["state"] == "drain"
    (event,) = [event for event in running.events if event.get("event") == "ctl"]
    assert event["who"] == "by HTTP client 192.168.1.1"


def test_arguments_may_be_in_the_query(web: Web) -> None:
    answer = web.post("/api/v1/set/server/weight?server=dovecot/d1&weight=50%25").json
    assert answer["message"] == "server dovecot/d1: weight 100 -> 50"


def test_session_is_ended(web: Web, running: Running) -> None:
    running.relay()
    (row,) = web.get("/api/v1/show/sessions").json["rows"]
    assert web.post("/api/v1/shutdown/session", {"session": row["id"]}).json["message"] == f"session {row['id']} ends"


def test_wrong_command_is_reported(web: Web) -> None:
    response = web.post("/api/v1/set/server/state", {"server": "dovecot/d2", "state": "drain"})
    assert (response.status, response.error) == (400, 'backend "dovecot" has no server "d2"; there is "d1"')


def test_network_with_bits_beyond_its_prefix_is_not_banned(web: Web) -> None:
    response = web.post("/api/v1/ban", {"network": "10.1.0.0/8"})
    assert response.status == 400
    assert response.error.endswith('has bits beyond the prefix; is it "10.0.0.0/8" or "10.1.0.0/16"?')
    assert web.get("/api/v1/show/bans").json["rows"] == []


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that are carried out, which do nothing."""
    requests: list[Request] = []

    def answer(answers: Answers, request: Request, who: str) -> Answer:
        requests.append(request)
        return Answer()

    monkeypatch.setattr(Answers, "answer", answer)
    return requests


def path_of(command: Command) -> str:
    return "/api/v1/" + command.name.replace(" ", "/")


OVERRIDES = [{"command": one.name} for one in COMMANDS] + [{"type": "request"}, {"type": "row", "command": "stop"}]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_no_argument_replaces_the_command_of_the_path(web: Web, carried_out: list[Request], command: Command) -> None:
    is_here = command.name not in ("watch", "hand over", "leave")
    for override in OVERRIDES:
        query = path_of(command) + "?" + "&".join(f"{name}={quote(value)}" for name, value in override.items())
        assert web.get(query, Authorization=f"Bearer {TOKEN}").status in (400, 404, 405)
        assert web.get(query).status in (400, 401, 404, 405)
        for response in (web.post(query), web.post(path_of(command), override)):
            expected = 405 if command.name.startswith("show ") else 400
            assert response.status == (expected if is_here else 404)
    assert carried_out == []


@pytest.mark.parametrize("override", OVERRIDES, ids=lambda override: " ".join(override.values()))
def test_query_cannot_name_another_command(web: Web, carried_out: list[Request], override: dict[str, str]) -> None:
    name, value = next(iter(override.items()))
    response = web.get(f"/api/v1/show/info?{name}={quote(value)}")
    assert (response.status, response.error) == (400, f'"{name}" is not an argument of "show info"; it has none')
    assert carried_out == []


@pytest.mark.parametrize("override", OVERRIDES, ids=lambda override: " ".join(override.values()))
def test_body_cannot_name_another_command(web: Web, carried_out: list[Request], override: dict[str, str]) -> None:
    body = {"server": "dovecot/d1", "state": "drain", **override}
    assert web.post("/api/v1/set/server/state", body).status == 400
    data = json.dumps(override).encode()
    for path in ("/api/v1/show/info", "/api/v1/show/sessions"):
        headers = {"Content_Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
        assert web.client().ask("GET", path, data, **headers).status == 400
    assert carried_out == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_command_that_changes_is_never_carried_out_by_get(web: Web, carried_out: list[Request], method: str) -> None:
    answered = []
    for command in COMMANDS:
        query = "&".join(f"{name}=192.0.2.1" for name in command.arguments)
        if web.get(f"{path_of(command)}?{query}", method, Authorization=f"Bearer {TOKEN}").status == 200:
            answered.append(command)
    shows = [command for command in COMMANDS if command.name.startswith("show ")]
    assert answered == shows
    assert [request.command for request in carried_out] == shows


@pytest.mark.parametrize("name", ["stop", "hand over", "leave", "watch"])
def test_what_is_carried_out_is_what_is_checked(
    web: Web, carried_out: list[Request], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Even if a bug makes another command of a request."""
    monkeypatch.setattr(
        api, "request_with", lambda command, given: evolve(request_with(command, given), command=BY_NAME[name])
    )
    assert web.get("/api/v1/show/info").status in (404, 405)
    assert carried_out == []


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b"[" * 8000])
def test_body_is_an_object(web: Web, body: bytes) -> None:
    response = web.post("/api/v1/set/server/state", body)
    assert response.status == 400
    assert response.error.startswith("the body has to be a JSON object such as")


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("?server=dovecot/d1&state=drain&state=maint", b""),
        ("?server=dovecot/d1", b'{"state": "drain", "state": "maint"}'),
        ("?server=dovecot/d1&state=drain", b'{"state": "maint"}'),
    ],
)
def test_argument_is_given_once(web: Web, carried_out: list[Request], query: str, body: bytes) -> None:
    response = web.post(f"/api/v1/set/server/state{query}", body)
    assert (response.status, carried_out) == (400, [])
    assert response.error == 'the request has "state" more than once; give each argument once'


def test_argument_is_a_string(web: Web) -> None:
    body: Any = {"server": ["dovecot/d1"], "state": "drain"}
    assert web.post("/api/v1/set/server/state", body).error.startswith('"server" needs a string')


@pytest.mark.parametrize("path", ["/api/v1/watch", "/api/v1/hand/over", "/api/v1/leave", "/api/v1/no", "/api/v2/"])
def test_other_paths_have_nothing(web: Web, path: str) -> None:
    assert web.post(path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/show/info", "GET, HEAD"),
        ("GET", "/api/v1/reload", "POST"),
        ("DELETE", "/api/v1/reload", "POST"),
        ("OPTIONS", "/livez", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
        ("POST", "/api/v1/", "GET, HEAD"),
    ],
)
def test_other_methods_are_not_allowed(web: Web, method: str, path: str, allowed: str) -> None:
    response = web.get(path, method, Authorization=f"Bearer {TOKEN}")
    assert (response.status, response.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/livez", "/api/v1/", "/api/v1/show/servers", "/api/v1/events", "/nothing"])
def test_head_has_the_headers_alone(web: Web, path: str) -> None:
    response = web.get(path, "HEAD")
    assert response.status == (404 if path == "/nothing" else 200)
    assert response.body == b""


def test_stop_stops_after_the_answer(web: Web, running: Running) -> None:
    client = web.client()
    response = client.ask("POST", "/api/v1/stop", Authorization=f"Bearer {TOKEN}")
    assert (response.json["message"], response.headers["connection"]) == ("the service stops", "close")
    assert client.transport.disconnecting
    assert running.reactor.stops == 0
    client.lose()
    web.turn()
    assert running.reactor.stops == 1


def test_bug_is_logged_and_reported(web: Web, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*ignored: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(health, "readyz", broken)
    response = web.get("/readyz")
    assert (response.status, response.error) == (500, "internal error; the log of the service has the traceback")
    assert [event["log_failure"].type for event in running.events if "log_failure" in event] == [ZeroDivisionError]


def test_bug_in_the_middle_ends_the_connection(web: Web, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*ignored: object) -> Any:
        yield from ()
        raise ZeroDivisionError

    monkeypatch.setattr(observe, "servers", broken)
    client = web.client()
    client.send(b"GET /api/v1/show/servers HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.transport.is_aborted
    assert len([event for event in running.events if "log_failure" in event]) == 1
