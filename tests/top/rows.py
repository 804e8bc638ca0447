"""Rows as a service sends them, and models of them."""

from __future__ import annotations

from typing import Any

from mailproxy.top.letters import UNICODE, Charset
from mailproxy.top.model import Model
from mailproxy.top.sample import BACKENDS, CERTIFICATES, FRONTENDS, INFO, SERVERS, Row, Sample
from mailproxy.top.styled import plain
from mailproxy.top.views import VIEWS
from mailproxy.top.views.view import Facts

COUNTERS = ("connections", "bytes_in", "bytes_out", "refused", "rejected")


def info(**changed: Any) -> Row:
    row = {"version": "0.1.0", "pid": 7, "state": "running", "uptime_s": 61.0, "sessions": 12, "maxconn": 100}
    return {**row, **changed}


def frontend(name: str = "imaps", **changed: Any) -> Row:
    row: dict[str, Any] = {
        "frontend": name,
        "state": "open",
        "protocol": "imap",
        "listens": ["192.0.2.1:993"],
        "backend": "dovecot",
        "current": 12,
        "maxconn": 50,
    }
    return {**row, **dict.fromkeys(COUNTERS, 0), **changed}


def backend(name: str = "dovecot", protocol: str = "imap", **changed: Any) -> Row:
    row = {"backend": name, "protocol": protocol, "state": "up", "balance": "leastconn"}
    return {**row, "servers": 2, "active": 2, "backup": 0, "sessions": 12, "queued": 0, **changed}


def server(name: str = "d1", protocol: str = "imap", **changed: Any) -> Row:
    row: dict[str, Any] = {
        "backend": "dovecot",
        "protocol": protocol,
        "server": name,
        "address": "10.0.0.11:10143",
        "state": "up",
        "since_s": None,
        "why": "",
        "admin": "ready",
        "agent": "ready",
        "check": "mail",
        "check_counts": "3/3",
        "checked_s": 1.0,
        "check_says": "greeted",
        "check_failures": 0,
        "weight": 100.0,
        "configured_weight": 100,
        "share": 100.0,
        "sessions": 6,
        "maxconn": 0,
    }
    return {**row, **changed}


def certificate(*names: str, **changed: Any) -> Row:
    row: dict[str, Any] = {"profile": "default", "path": "/tls/a.pem", "names": list(names), "key": "EC256"}
    return {**row, "not_after": "2027-01-28T04:00:24Z", "days_left": 60, "refused": "", **changed}


def event(message: str, level: str = "info", time: str = "2026-11-29T03:02:15.530Z") -> Row:
    return {"type": "event", "time": time, "level": level, "event": "server", "message": message}


def sample(at: float = 100.0, refused: dict[str, str] | None = None, **answers: list[Row]) -> Sample:
    """A sample of a service in which nothing is wrong, with other answers."""
    rows = {
        INFO: [info()],
        FRONTENDS: [frontend()],
        BACKENDS: [backend()],
        SERVERS: [server(), server("d2")],
        CERTIFICATES: [certificate("mail.example.org")],
    }
    return Sample(at, {**rows, **{f"show {name}": found for name, found in answers.items()}}, refused or {})


def model(*samples: Sample) -> Model:
    made = Model()
    for one in samples or (sample(),):
        made.take(one)
    return made


def page(
    name: str, shown: Model, *, width: int = 200, order: str = "", wanted: str = "", charset: Charset = UNICODE
) -> list[str]:
    """The lines of a view's page, its heading first."""
    (view,) = (view for view in VIEWS if view.name == name)
    written = view.page(Facts(shown, width, charset, order or view.order(0), wanted))
    return [plain(line) for line in ([written.heading] if written.heading else []) + list(written.lines)]
