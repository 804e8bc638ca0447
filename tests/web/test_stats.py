"""The stats page: what it shows, and what it sends to those who have it open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.logger import globalLogPublisher

from mailproxy.config import Backend, Check, Frontend, InetServer, Server
from mailproxy.config.condition import Condition
from mailproxy.config.condition_numbers import SourceRate
from mailproxy.config.rate import Rate
from mailproxy.config.rule import Rule
from mailproxy.control import observe
from mailproxy.control.client import ROWS_PER_TURN
from mailproxy.control.status import SourceStatus
from mailproxy.control.survey import Survey
from mailproxy.process.events import AllEvents
from mailproxy.process.message import Event
from mailproxy.web.access import Access
from mailproxy.web.channel import UNREAD_SECONDS
from mailproxy.web.stats import backends, certificates, frontends
from mailproxy.web.stats.clients import clients
from mailproxy.web.stats.snapshot import SURVEY_SECONDS
from mailproxy.web.stats.updates import SECONDS
from mailproxy.web.stats.words import some
from tests.control.conftest import Make
from tests.running import ANY_PORT, LOOPBACK, Running
from tests.web.bench import HOST, Client, Web

CHECK = Check(type="tcp", inter=1e9, fall=1, rise=1, jitter=0)

_VOID = {"meta", "link", "input"}


class Text(HTMLParser):
    """The text of a document, which has to be well-formed, and its elements with their attributes."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, attributes)
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


class Bench:
    """A service with its HTTP, as it runs."""

    def __init__(self, make: Make, **settings: Any) -> None:
        self.running: Running = make(**settings)
        self.workers = self.running.service.events = AllEvents(globalLogPublisher, lambda is_on, sessions: None)
        self.web = Web(self.running.service, self.running.reactor, globalLogPublisher)
        self.web.server.site.start()

    def close(self) -> None:
        self.web.server.close()

    def page(self, query: str = "") -> Text:
        response = self.web.get(f"/stats{query}")
        assert (response.status, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
        return Text(response.body.decode())

    def down(self, reason: str) -> None:
        backend = next(iter(self.running.service.generation.backends.values()))
        backend.pool.failed(backend.pool.servers[0], self.running.reactor.seconds(), reason)


@pytest.fixture
def bench(make: Make) -> Iterator[Bench]:
    made = Bench(make, tls="implicit")
    yield made
    made.close()


@pytest.fixture
def checked(make: Make) -> Iterator[Bench]:
    """A backend with checks, with two servers, for two protocols."""
    servers = tuple(Server(name=name, address=InetServer(LOOPBACK, 1), check=CHECK) for name in ("d1", "d2"))
    listening = tuple(
        Frontend(name=f"{name}-in", bind=(ANY_PORT,), protocol=name, tls="none", backend="pool")
        for name in ("imap", "pop3")
    )
    made = Bench(make, frontends=listening, backends={"pool": Backend(name="pool", send_proxy="none", servers=servers)})
    yield made
    made.close()


# The page.


def test_page_has_findings_sessions_servers_frontends_events_and_certificates(bench: Bench) -> None:
    bench.running.relay(tls=True)
    bench.running.reactor.advance(5)
    text = bench.page().text
    for words in ("Nothing is wrong", "Sessions 1", "dovecot", "d1", "front", "Newest events", "mail.example.org"):
        assert words in text


def test_events_are_those_of_all_processes(bench: Bench) -> None:
    bench.workers.publish(Event("warn", {"log_namespace": "mailproxy.checks", "log_format": "of a worker"}))
    bench.running.reactor.advance(5)
    assert "of a worker" in bench.page().text


def test_page_is_whole_without_scripts_and_styles_of_others(bench: Bench) -> None:
    page = bench.page()
    assert [one["src"].partition("?")[0] for one in page.all("script") if one["src"]] == ["/static/stats.js"]
    assert all(one["href"] and one["href"].startswith("/static/") for one in page.all("link"))
    for _, attributes in page.elements:
        assert not any(name.startswith("on") or name == "style" for name in attributes)


def test_what_is_wrong_is_first(checked: Bench) -> None:
    checked.down("connection: Connection refused")
    checked.running.reactor.advance(65)
    text = checked.page().text
    assert "Server pool/d1 is down for imap, for 1m5s: connection: Connection refused" in text
    assert "Nothing is wrong" not in text
    assert text.index("is down for imap") < text.index("Backends")


def test_server_is_shown_for_each_protocol(checked: Bench) -> None:
    checked.down("refused")
    rows = [one for one in checked.page().all("tr") if one.get("data-key") in ("imap", "pop3")]
    assert len(rows) == 4
    states = [one["class"] for one in checked.page().all("span") if (one.get("class") or "").startswith("state")]
    assert states.count("state bad") == 1


@pytest.mark.parametrize(("query", "shown"), [("", True), ("?search=127.0.0", True), ("?search=192.0.2", False)])
def test_sessions_are_searched_without_javascript(bench: Bench, query: str, shown: bool) -> None:
    client, _ = bench.running.relay(tls=True)
    host, port = client.socket.getsockname()
    page = bench.page(query)
    assert (f"{host}:{port}" in page.text) is shown
    (form,) = [one for one in page.all("form") if one.get("role") == "search"]
    assert (form["method"], form["action"]) == ("get", "/stats#sessions")


def test_search_is_escaped(bench: Bench) -> None:
    response = bench.web.get("/stats?search=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    body = response.body.decode()
    assert "<script>alert" not in body
    (field,) = [one for one in Text(body).all("input") if one.get("name") == "search"]
    assert field["value"] == '"><script>alert(1)</script>'


def test_words_of_servers_are_escaped(checked: Bench) -> None:
    checked.down("<img src=x onerror=alert(1)>")
    body = checked.web.get("/stats").body.decode()
    assert "<img" not in body
    assert body.count("&lt;img src=x onerror=alert(1)&gt;") >= 2


EVIL, SHOWN = "a\x1b[2Jb", r"a\x1b[2Jb"
"""A server name that would clear a terminal, and how it is shown."""


def test_what_clients_choose_is_shown_with_escapes(bench: Bench) -> None:
    bench.running.relay(tls=True, name=EVIL)
    body = bench.web.get("/stats").body.decode()
    assert all(letter.isprintable() for letter in body if letter not in "\n\u202f")
    assert SHOWN in body


def test_what_servers_say_is_shown_with_escapes(checked: Bench) -> None:
    checked.down("no \u202egreeting")
    assert checked.web.get("/stats").body.decode().count(r"no \u202egreeting") >= 2


def test_json_of_what_clients_choose_is_printable_ascii(bench: Bench) -> None:
    bench.running.relay(tls=True, name=EVIL)
    response = bench.web.get("/api/v1/show/sessions")
    assert response.json["rows"][0]["sni"] == EVIL
    text = response.body.decode("ascii").removesuffix("\n")
    assert text.isprintable()


def test_buttons_say_what_they_do(checked: Bench) -> None:
    buttons = [one for one in checked.page().all("button") if "data-command" in one]
    reported = {(one["data-command"], one["data-arguments"], one["aria-label"]) for one in buttons}
    drain = ("set server state", '{"server": "pool/d1", "state": "drain"}', "drain pool/d1")
    assert drain in reported
    assert all(json.loads(one["data-arguments"] or "") for one in buttons)


def test_token_is_asked_for_if_there_is_one(bench: Bench) -> None:
    assert "token" in [one.get("id") for one in bench.page().all("input")]
    bench.web.server.site.access = Access(frozenset({"localhost"}))
    assert "token" not in [one.get("id") for one in bench.page().all("input")]


def test_token_is_checked(bench: Bench) -> None:
    assert bench.web.get("/api/v1/token").status == 401
    assert bench.web.get("/api/v1/token", Authorization="Bearer 0123456789abcdef").json == {"ok": True}


def test_first_path_leads_to_the_page(bench: Bench) -> None:
    response = bench.web.get("/")
    assert (response.status, response.headers["location"]) == (302, "/stats")


def test_rows_are_limited(checked: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "MAX_SERVERS", 1)
    monkeypatch.setattr(frontends, "MAX_ROWS", 1)
    text = checked.page().text
    assert "and 3 more servers: mailproxy ctl show servers" in text
    assert "and 1 more: mailproxy ctl show frontends" in text


def test_certificates_are_limited(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "MAX_ROWS", 0)
    assert "and 1 more: mailproxy ctl show certificates" in bench.page().text


def test_clients_with_the_most_sessions_are_first() -> None:
    survey = Survey(clients=tuple((f"192.0.2.{number}", 100 - number) for number in range(10)))
    shown = [one["data-key"] for one in Text(clients(survey)).all("tr") if "data-key" in one]
    assert shown == [f"192.0.2.{number}" for number in range(10)]


@pytest.mark.parametrize(("count", "words"), [(0, "0 addresses"), (1, "1 address"), (2, "2 addresses")])
def test_noun_of_one_address_is_singular(count: int, words: str) -> None:
    survey = Survey(addresses=count)
    assert words in Text(clients(survey)).words


def test_failed_checks_are_counted(checked: Bench) -> None:
    checked.down("refused")
    assert "1 failed check " in checked.page().text
    assert some(2000, "failed check", "failed checks") == "2\u202f000 failed checks"


def source(**changed: Any) -> SourceStatus:
    numbers: dict[str, Any] = {"connections": 0, "rate": 0.0, "handshake_failures": 0.0, "auth_failures": 0.0}
    times = {"rate_s": 60.0, "handshake_failures_s": 60.0, "auth_failures_s": 600.0}
    return SourceStatus(**{"source": "192.0.2.7/32", **numbers, **times, **changed})


def test_sources_with_the_highest_rates_are_shown_without_sessions() -> None:
    assert "192.0.2.7/32 784 in 1m" in Text(clients(Survey(), [source(rate=784.0)])).text


def test_sources_with_the_most_refused_logins_are_shown() -> None:
    assert "Refused logins 192.0.2.7/32 40 in 10m" in Text(clients(Survey(), (), [source(auth_failures=40.0)])).text


def test_source_of_a_refused_login_is_shown(make: Make) -> None:
    condition = Condition(auth_failures=SourceRate(over=Rate(2, 600.0)))
    rule = Rule(name="guessers", condition=condition, label="guesser")
    front = Frontend(name="front", bind=(ANY_PORT,), protocol="imap", tls="none", backend="dovecot", rules=(rule,))
    bench = Bench(make, frontends=(front,))
    bench.running.relay()
    assert "Refused logins" not in bench.page().text
    (session,) = bench.running.service.sessions
    session.logins_refused(1)
    bench.web.reactor.advance(SURVEY_SECONDS)
    assert "Refused logins 127.0.0.1/32 1 in 10m" in bench.page().text
    bench.close()


def test_bans_are_counted_by_what_has_made_them(bench: Bench) -> None:
    assert "nobody is banned" in bench.page().text
    keeper = bench.running.service.bans
    keeper.ban((b"\xc0\0\2\7", 32), "ctl", "guesses", 600.0)
    keeper.ban((b"\xc0\0\2\0", 24), "fail2ban", "", None)
    keeper.ban((b"\xc6\x33\x64\7", 32), "fail2ban", "", None)
    bench.web.reactor.advance(1)
    assert "0 clients refused since the start Banned by Networks fail2ban 2 ctl 1" in bench.page().text


def test_client_that_is_refused_for_a_ban_is_counted(bench: Bench) -> None:
    bench.running.service.bans.ban((b"\x7f\0\0\1", 32), "ctl", "", None)
    client = bench.running.client()
    bench.running.until(lambda: client.fin or client.reset)
    assert "1 client refused since the start" in bench.page().text


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ("192.0.2.7", "192.0.2.0/24 is banned by ctl for another 9m59s: guesses"),
        ("::ffff:192.0.2.7", "192.0.2.0/24 is banned by ctl for another 9m59s: guesses"),
        ("2001:db8::1", "2001:db8::1 is banned by ctl until it is unbanned"),
    ],
)
def test_search_for_an_address_says_what_bans_it(bench: Bench, search: str, words: str) -> None:
    keeper = bench.running.service.bans
    keeper.ban((b"\xc0\0\2\0", 24), "ctl", "guesses", 600.0)
    keeper.ban((ip_address("2001:db8::1").packed, 128), "ctl", "", None)
    bench.web.reactor.advance(0.5)
    assert words in bench.page(f"?search={search}").text


@pytest.mark.parametrize("search", ["192.0.3.7", "192.0.2.", "dovecot"])
def test_search_for_others_says_nothing_of_bans(bench: Bench, search: str) -> None:
    bench.running.service.bans.ban((b"\xc0\0\2\0", 24), "ctl", "guesses", None)
    assert "is banned" not in bench.page(f"?search={search}").text


# Files.


@pytest.mark.parametrize(("name", "type"), [("stats.css", "text/css"), ("stats.js", "text/javascript")])
def test_files_are_sent_once(bench: Bench, name: str, type: str) -> None:
    response = bench.web.get(f"/static/{name}")
    assert (response.status, response.headers["content-type"]) == (200, f"{type}; charset=utf-8")
    again = bench.web.get(f"/static/{name}", If_None_Match=response.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert bench.web.get(f"/static/{name}/../../site.py").status == 404


# Updates.


def follow(bench: Bench, query: str = "") -> Client:
    client = bench.web.client()
    client.send(f"GET /stats/updates{query} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    return client


def came(bench: Bench, client: Client) -> dict[str, str]:
    """The sections that have arrived, by their ids."""
    for _ in range(10):
        bench.web.turn(0.05)
    data = client.transport.value().decode()
    client.transport.clear()
    found = re.findall(r"event: section\ndata: (.*)\n\n", data)
    return {section["id"]: section["html"] for section in map(json.loads, found)}


def test_all_sections_arrive_first(bench: Bench) -> None:
    sections = came(bench, follow(bench))
    assert set(sections) == {
        *("top", "attention", "totals", "backends", "frontends", "events", "bans", "certificates", "clients"),
        "sessions-list",
    }
    for id, html in sections.items():
        assert Text(html).elements[0][1]["id"] == id


def test_only_changes_arrive_then(bench: Bench) -> None:
    client = follow(bench)
    came(bench, client)
    bench.running.relay(tls=True)
    bench.web.reactor.advance(5 * SECONDS)
    sections = came(bench, client)
    assert {"totals", "backends", "frontends", "clients", "sessions-list"} <= set(sections)
    assert not {"attention", "certificates"} & set(sections)
    assert "mail.example.org" in sections["sessions-list"]


def test_updates_are_of_the_search(bench: Bench) -> None:
    bench.running.relay(tls=True)
    assert "0 of 1 sessions match" in came(bench, follow(bench, "?search=nobody"))["sessions-list"]


def test_page_that_does_not_read_costs_one_update(bench: Bench) -> None:
    client = follow(bench)
    came(bench, client)
    client.transport.has_room = False
    bench.running.relay(tls=True)
    for _ in range(5):
        bench.web.reactor.advance(SECONDS)
        bench.web.turn()
    assert len(came(bench, client)) == 1
    bench.web.reactor.advance(UNREAD_SECONDS)
    assert client.transport.is_aborted


def test_page_that_is_closed_is_forgotten(bench: Bench) -> None:
    client = follow(bench)
    came(bench, client)
    client.lose()
    bench.web.reactor.advance(SECONDS)
    assert bench.web.server.site.streams == 0
    assert came(bench, client) == {}


def test_those_who_look_share_the_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = observe.servers

    def counting(running: Any) -> Any:
        asked.append(1)
        return real(running)

    monkeypatch.setattr(observe, "servers", counting)
    waiting = [bench.web.client() for _ in range(10)]
    for client in waiting:
        client.channel.dataReceived(f"GET /stats HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    for client in waiting:
        client.wait()
    assert [len(client.received()) for client in waiting] == [1] * 10
    assert len(asked) == 1


def test_one_that_leaves_keeps_nobody_from_the_page(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "servers", lambda running: iter([None] * 10 * ROWS_PER_TURN))
    first, second = bench.web.client(), bench.web.client()
    for client in (first, second):
        client.channel.dataReceived(f"GET /stats HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    for _ in range(5):
        bench.web.reactor.advance(0.1)
    first.lose()
    second.wait()
    assert [one.status for one in second.received()] == [200]
