"""Who may ask over HTTP, and for what."""

from __future__ import annotations

import base64

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.config import Admin
from mailproxy.web.access import Access, own_names
from tests.control.conftest import Make
from tests.web.bench import HOST, TOKEN, Web

RELOAD = "/api/v1/shutdown/session"
BODY = {"session": "none"}


@pytest.fixture
def web(make: Make) -> Web:
    running = make()
    return Web(running.service, running.reactor, globalLogPublisher)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()


# The name that is asked for.


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8404", "localhost.", "127.0.0.1", "127.0.0.1:8404", "[::1]:8404", "192.0.2.7"]
)
def test_own_names_and_addresses_are_answered(web: Web, host: str) -> None:
    assert web.get("/livez", Host=host).status == 200


def test_page_with_another_name_is_refused(web: Web) -> None:
    response = web.get("/api/v1/show/sessions", Host="rebound.example")
    assert response.status == 421
    assert response.error == ('"rebound.example" is not a name of this service; http-names in [admin] has such names')


@pytest.mark.parametrize("host", ["", "a b", "localhost:99999x", "[::1", "localhost:8404:1", "local\u00e9"])
def test_host_that_is_none_is_refused(web: Web, host: str) -> None:
    assert web.get("/livez", Host=host).status in (400, 421)


def test_names_are_those_of_the_configuration_and_the_certificates() -> None:
    names = own_names(Admin(http_names=("front1.example.org",)), ["Mail.example.org", "*.example.net"])
    assert {"localhost", "front1.example.org", "mail.example.org", "*.example.net"} <= names


def test_wildcard_has_all_names_below(make: Make) -> None:
    running = make()
    access = Access(frozenset({"*.example.net"}))
    web = Web(running.service, running.reactor, globalLogPublisher, access)
    assert web.get("/livez", Host="a.example.net").status == 200
    assert web.get("/livez", Host="a.b.example.net").status == 421
    assert web.get("/livez", Host="example.net").status == 421


# The token.


def test_change_needs_the_token(web: Web) -> None:
    response = web.post(RELOAD, BODY, Authorization="")
    assert (response.status, response.headers["www-authenticate"]) == (401, 'Bearer realm="mailproxy"')
    assert response.error == "this needs the token: send Authorization: Bearer TOKEN"


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Token {TOKEN}",
        TOKEN,
        basic(TOKEN),
        f"Bearer {TOKEN}\u00e9",
    ],
)
def test_anything_else_is_not_the_token(web: Web, given: str) -> None:
    assert web.post(RELOAD, BODY, Authorization=given).status == 401


@pytest.mark.parametrize("given", [f"Bearer {TOKEN}x", "bearer x"])
def test_wrong_token_is_called_wrong(web: Web, given: str) -> None:
    assert web.post(RELOAD, BODY, Authorization=given).error == "this token is wrong"


@pytest.mark.parametrize("given", ["Bearer", "Bearer ", f"Token {TOKEN}", basic(TOKEN)])
def test_request_for_a_change_without_a_bearer_token_is_asked_for_one(web: Web, given: str) -> None:
    response = web.post(RELOAD, BODY, Authorization=given)
    assert response.error == "this needs the token: send Authorization: Bearer TOKEN"


@pytest.mark.parametrize("name", ["Host", "Authorization", "Origin", "Sec-Fetch-Site", "Content-Type", "If-None-Match"])
def test_any_bytes_may_be_in_a_header(web: Web, name: str) -> None:
    client = web.client()
    lines = {b"Host": b"localhost", b"Content-Length": b"2", name.encode(): b"Bearer \xff\xfe"}
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines.items())
    client.send(b"POST /api/v1/reload HTTP/1.1\r\n" + head + b"\r\n{}")
    (response,) = client.received()
    assert response.status in (400, 401, 403, 421)


def test_token_is_let_in(web: Web) -> None:
    assert web.post(RELOAD, BODY).error.startswith("there is no session")


def test_nothing_is_changed_without_a_token(make: Make) -> None:
    running = make()
    web = Web(running.service, running.reactor, globalLogPublisher, Access(frozenset({"localhost"})))
    response = web.post(RELOAD, BODY)
    assert (response.status, response.error) == (
        403,
        "this needs a token, and there is none: write http-token-file = PATH in [admin]",
    )


def test_configuration_needs_the_token(web: Web) -> None:
    assert web.get("/api/v1/show/config").status == 401
    response = web.get("/api/v1/show/config", Authorization=f"Bearer {TOKEN}")
    assert (response.status, len(response.json["rows"])) == (200, 1)


def test_everything_may_need_the_token(make: Make) -> None:
    running = make()
    access = Access(frozenset({"localhost"}), TOKEN, needs_token=True)
    web = Web(running.service, running.reactor, globalLogPublisher, access)
    refused = web.get("/livez")
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="mailproxy", Bearer realm="mailproxy"'
    assert web.get("/livez", Authorization=f"Bearer {TOKEN}").status == 200
    assert web.get("/livez", Authorization=basic(TOKEN)).status == 200
    assert web.get("/livez", Authorization=basic("x" * 16)).status == 401
    assert web.get("/stats/x", Authorization=basic("x" * 16)).error == "this token is wrong"
    assert web.get("/livez", Authorization="Basic !").status == 401


# The page that asks.


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost"},
        {"Origin": f"http://{HOST}.evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    ],
)
def test_change_by_another_page_is_refused(web: Web, headers: dict[str, str]) -> None:
    assert web.post(RELOAD, BODY, **headers).status == 403


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_change_by_our_page_is_made(web: Web, scheme: str) -> None:
    response = web.post(RELOAD, BODY, Origin=f"{scheme}://{HOST}", Sec_Fetch_Site="same-origin")
    assert response.error.startswith("there is no session")


def test_form_cannot_send_a_change(web: Web) -> None:
    response = web.post(RELOAD, BODY, Content_Type="application/x-www-form-urlencoded")
    assert (response.status, response.error) == (
        415,
        "the body has to be JSON: send Content-Type: application/json",
    )


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_cannot_take_part_in_what_is_shown(web: Web, site: str) -> None:
    for path in ("/stats", "/api/v1/show/sessions"):
        assert web.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_link_of_another_page_leads_to_pages_alone(web: Web, site: str) -> None:
    for path, status in {"/stats": 200, "/": 302}.items():
        assert web.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == status
    for path in ("/api/v1/", "/api/v1/show/sessions", "/api/v1/events", "/api/v1/reload", "/metrics", "/stats/updates"):
        assert web.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 403


@pytest.mark.parametrize("path", ["/livez", "/nothing", "/api/v1/show/info", "/api/v1/set/server/state"])
def test_every_reply_is_for_our_page_alone(web: Web, path: str) -> None:
    headers = web.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
