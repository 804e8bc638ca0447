"""The commands of ctl over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.control.command import COMMANDS
from tests.control.conftest import Make
from tests.test_service import Running
from tests.web.bench import TOKEN, Web


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


def test_wrong_command_is_said(web: Web) -> None:
    response = web.post("/api/v1/set/server/state", {"server": "dovecot/d2", "state": "drain"})
    assert (response.status, response.error) == (400, 'backend "dovecot" has no server "d2"; there is "d1"')


def test_network_with_bits_beyond_its_prefix_is_not_banned(web: Web) -> None:
    response = web.post("/api/v1/ban", {"network": "10.1.0.0/8"})
    assert response.status == 400
    assert response.error.endswith('has bits beyond the prefix; is it "10.0.0.0/8" or "10.1.0.0/16"?')
    assert web.get("/api/v1/show/bans").json["rows"] == []


@pytest.mark.parametrize("body", [b"[]", b"{", b'"x"', b"\xff", b"[" * 8000])
def test_body_is_an_object(web: Web, body: bytes) -> None:
    response = web.post("/api/v1/set/server/state", body)
    assert response.status == 400
    assert response.error.startswith("the body has to be a JSON object such as")


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
    stopped: list[bool] = []
    running.reactor.stop = lambda: stopped.append(True)
    client = web.client()
    response = client.ask("POST", "/api/v1/stop", Authorization=f"Bearer {TOKEN}")
    assert (response.json["message"], response.headers["connection"]) == ("the service stops", "close")
    assert client.transport.disconnecting
    assert stopped == []
    client.lose()
    web.turn()
    assert stopped == [True]


def test_bug_is_logged_and_told(web: Web, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*ignored: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("mailproxy.web.health.ready", broken)
    response = web.get("/readyz")
    assert (response.status, response.error) == (500, "internal error; the log of the service has the traceback")
    assert [event["log_failure"].type for event in running.events if "log_failure" in event] == [ZeroDivisionError]


def test_bug_in_the_middle_ends_the_connection(web: Web, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*ignored: object) -> Any:
        yield from ()
        raise ZeroDivisionError

    monkeypatch.setattr("mailproxy.control.observe.servers", broken)
    client = web.client()
    client.send(b"GET /api/v1/show/servers HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert client.transport.is_aborted
    assert len([event for event in running.events if "log_failure" in event]) == 1
