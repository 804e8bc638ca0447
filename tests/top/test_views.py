"""The pages of the views."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from mailproxy.top.letters import ASCII
from mailproxy.top.model import MAX_EVENTS
from mailproxy.top.sample import Sample
from mailproxy.top.views import VIEWS, clients, overview
from tests.top.rows import backend, certificate, event, frontend, info, model, page, sample, server

NAMES = [view.name for view in VIEWS]
BY_CONNECTIONS = clients.question("most connections")


def names(lines: list[str]) -> list[str]:
    return [line.split()[0] for line in lines]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1, 20, 80, 300])
def test_every_view_fits_any_width_before_there_are_answers(name: str, width: int) -> None:
    assert isinstance(page(name, model(Sample(0.0, {})), width=width), list)


def test_overview_says_that_nothing_is_wrong() -> None:
    assert page("Overview", model())[0] == "Nothing is wrong: all servers are up, and all frontends are open."


def test_overview_says_what_is_wrong_and_what_happened() -> None:
    shown = model(sample(servers=[server(state="down", why="no greeting")]))
    shown.add_events([event("server dovecot/d1 is DOWN", "warn")])
    lines = page("Overview", shown)
    assert lines[0] == "!! server dovecot/d1 is down for imap: no greeting"
    assert lines[-1] == "03:02:15  warn  server dovecot/d1 is DOWN"
    assert "BACKEND" in "\n".join(lines)


def test_overview_has_bans_and_who_guesses_passwords() -> None:
    source = {"source": "192.0.2.7/32", "auth_failures": 40.0, "auth_failures_s": 600.0}
    banned = info(bans_by={"ctl": 1, "fail2ban": 12}, bans_listed=1204, bans_refused=345)
    answers: dict[str, Any] = {"info": [banned], overview.GUESSERS.removeprefix("show "): [source]}
    lines = page("Overview", model(sample(**answers)))
    assert "BANS by ctl 1, fail2ban 12, lists 1204; 345 clients refused since the start" in lines
    assert any(line.split() == ["192.0.2.7/32", "40", "in", "10m"] for line in lines)


def test_overview_without_bans_has_no_line_about_them() -> None:
    assert "BANS" not in "\n".join(page("Overview", model(sample(info=[info(bans_by={}, bans_refused=0)]))))


def test_overview_is_bounded() -> None:
    servers = [server(f"d{number}", state="down") for number in range(500)]
    frontends = [frontend(f"f{number}") for number in range(500)]
    lines = page("Overview", model(sample(servers=servers, frontends=frontends)))
    assert f"   and {500 - overview.MAX_FINDINGS} more" in lines
    assert len(lines) < 100


def test_frontend_has_rates_and_errors_in_words() -> None:
    shown = model(sample(0.0), sample(1.0, frontends=[frontend(connections=3, bytes_in=2048, handshake_errors=1)]))
    heading, line = page("Frontends", shown)
    assert heading.split()[:6] == ["FRONTEND", "STATE", "PROTOCOL", "CLIENTS", "NEW/s", "IN/s"]
    assert line.split()[:6] == ["imaps", "open", "imap", "12/50", "3.0", "2.0K"]
    assert line.endswith("1 failed handshakes")


@pytest.mark.parametrize(
    ("order", "expected"),
    [("as configured", ["b", "a"]), ("most clients", ["a", "b"]), ("most errors", ["b", "a"]), ("by name", ["a", "b"])],
)
def test_frontends_are_sorted(order: str, expected: list[str]) -> None:
    before = sample(0.0, frontends=[frontend("b"), frontend("a")])
    after = sample(1.0, frontends=[frontend("b", no_server=5), frontend("a", current=20)])
    assert names(page("Frontends", model(before, after), order=order)[1:]) == expected


def test_servers_are_below_their_backend() -> None:
    shown = model(sample(backends=[backend(queued=4), backend(protocol="pop3", state="down", active=0, backup=1)]))
    lines = page("Servers", shown)[1:]
    assert lines[0] == "dovecot imap  up · 2 of 2 servers · 12 sessions · leastconn".replace("up", "up · 4 queued", 1)
    assert [line.split()[:2] for line in lines[1:3]] == [["d1", "up"], ["d2", "up"]]
    assert lines[3] == "dovecot pop3  down · 0 of 2 servers · 1 backups · 12 sessions · leastconn"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"state": "down", "why": "refused, after 1 ms", "check_says": "refused, after 4 ms"}, "refused, after 4 ms"),
        ({"state": "drain", "why": "by hand", "check_says": "greeted"}, "by hand; check: greeted"),
        ({"why": "", "check_says": ""}, " - "),
        ({"state": "down", "admin": "drain", "is_backup": True}, "down, drain, backup"),
        ({"share": 30.0}, "100/100 (30)"),
        ({"sessions": 5, "maxconn": 9}, "5/9"),
    ],
)
def test_server_says_how_it_is(changed: dict[str, Any], expected: str) -> None:
    assert expected in page("Servers", model(sample(servers=[server(**changed)])))[2]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("as configured", ["d1", "d2", "d3"]),
        ("worst first", ["d3", "d1", "d2"]),
        ("most sessions", ["d2", "d1", "d3"]),
        ("newest change", ["d2", "d3", "d1"]),
    ],
)
def test_servers_are_sorted(order: str, expected: list[str]) -> None:
    servers = [server("d1"), server("d2", sessions=9, since_s=1.0), server("d3", state="down", sessions=0, since_s=9.0)]
    assert names(page("Servers", model(sample(servers=servers)), order=order)[2:]) == expected


def test_filter_finds_servers_and_backends() -> None:
    shown = model(
        sample(
            backends=[backend(), backend("archive")], servers=[server(), server("d2"), server("a1", backend="archive")]
        )
    )
    assert names(page("Servers", shown, wanted="d2")[1:]) == ["dovecot", "d2"]
    assert names(page("Servers", shown, wanted="archive")[1:]) == ["archive", "a1"]
    assert page("Servers", shown, wanted="absent")[1:] == ["nothing here contains 'absent'"]


def test_clients_are_what_the_service_counts() -> None:
    row = {"source": "192.0.2.7/32", "connections": 4, "rate": 12.5, "rate_s": 60.0, "auth_failures": 3.0}
    answers = {BY_CONNECTIONS: [{**row, "auth_failures_s": 600.0, "handshake_failures": 0.0}]}
    (_, line) = page("Clients", model(Sample(0.0, answers)))
    assert line.split() == ["192.0.2.7/32", "4", "12.5", "in", "1m", "0", "in", "0s", "3", "in", "10m"]


def test_clients_that_are_not_counted_have_the_reason() -> None:
    shown = model(Sample(0.0, {BY_CONNECTIONS: []}, {BY_CONNECTIONS: "no source is counted here: set a limit"}))
    assert page("Clients", shown, width=30) == ["no source is counted here: set", "a limit"]


def test_clients_without_connections_are_in_another_order() -> None:
    (line,) = page("Clients", model(Sample(0.0, {BY_CONNECTIONS: []})))[-1:]
    assert line == "no source has a connection now; s sorts by new clients, refused ones as well"


def test_order_of_clients_is_asked_of_the_service() -> None:
    (view,) = (view for view in VIEWS if view.name == "Clients")
    assert view.asks("most refused logins") == ("show sources by logins limit 100",)


@pytest.mark.parametrize(("order", "expected"), [("first to expire", ["b", "c", "a"]), ("by name", ["a", "b", "c"])])
def test_certificates_are_sorted(order: str, expected: list[str]) -> None:
    found = [certificate("a"), certificate("b", refused="no key"), certificate("c", days_left=3)]
    assert names(page("Certificates", model(sample(certificates=found)), order=order)[1:]) == expected


def test_newest_event_is_the_first() -> None:
    shown = model()
    shown.add_events([event(f"event {number}") for number in range(2 * MAX_EVENTS)])
    shown.add_events([event("of no interest", "debug")])
    lines = page("Events", shown)
    assert (len(lines), lines[0]) == (MAX_EVENTS, f"03:02:15  info  event {2 * MAX_EVENTS - 1}")
    assert page("Events", shown, order="oldest first")[-1] == lines[0]


def test_long_event_takes_several_lines() -> None:
    shown = model()
    shown.add_events([event("the server dovecot/d1 is down again", "error")])
    assert page("Events", shown, width=38) == [
        "03:02:15  error the server dovecot/d1",
        "                is down again",
    ]


def test_filter_of_events_finds_levels() -> None:
    shown = model()
    shown.add_events([event("one"), event("two", "warn")])
    assert len(page("Events", shown, wanted="warn")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_no_value_moves_the_cursor(name: str) -> None:
    evil = "\x1b[2J\x07\u202e\n"
    found = sample(
        frontends=[frontend(evil, state=evil, listens=[evil], backend=evil)],
        backends=[backend(evil, evil, state=evil, balance=evil)],
        servers=[server(evil, evil, backend=evil, why=evil, check_says=evil, address=evil, check=evil)],
        certificates=[certificate(evil, profile=evil, path=evil, refused=evil, key=evil, not_after=evil)],
    )
    shown = model(evolve(found, rows={**found.rows, BY_CONNECTIONS: [{"source": evil}]}))
    shown.add_events([event(evil, evil, evil * 9)])
    lines = page(name, shown, charset=ASCII)
    assert lines
    assert all(line.isprintable() and line.isascii() for line in lines)


@pytest.mark.parametrize("name", NAMES)
def test_rows_without_fields_are_shown(name: str) -> None:
    answers: dict[str, Any] = {key: [{}] for key in ("frontends", "backends", "servers", "certificates")}
    assert page(name, model(sample(info=[{}], **answers)))


def test_no_view_asks_for_sessions() -> None:
    asked = {question for view in VIEWS for order in view.orders or [""] for question in view.asks(order)}
    assert not [question for question in asked if "sessions" in question]
