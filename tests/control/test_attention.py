"""What is wrong, in words."""

from __future__ import annotations

from typing import Any

import pytest

from mailproxy.control.attention import Fields, Finding, attention
from mailproxy.control.status import FrontendStatus
from tests.top.rows import backend, certificate, frontend, info, sample, server

LIST_STAYS = "the previous one is in use, and a start would fail"


def found(**answers: Any) -> list[Finding]:
    at = sample(**answers)
    names = ("frontends", "backends", "servers", "certificates")
    rows: dict[str, Any] = {name: at.of(f"show {name}") for name in names}
    return attention(at.info, **rows)


def test_nothing_is_wrong_with_a_good_service() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("answers", "finding"),
    [
        ({"info": [info(state="stopping")]}, ("bad", "the service is stopping")),
        (
            {"info": [info(reload="failure", reload_s=61.0, reload_problem="a.toml: [ is not closed")]},
            ("bad", "the last reload failed 1m1s ago: a.toml: [ is not closed"),
        ),
        ({"info": [info(reload="running", reload_s=61.0)]}, ("bad", "a reload has been running for 1m1s")),
        (
            {"info": [info(lists_refused=["/a.txt: cannot be read: No such file or directory"])]},
            ("bad", "list /a.txt is refused: cannot be read: No such file or directory; " + LIST_STAYS),
        ),
        (
            {"info": [info(bans_broad=["list /a: b.txt: bans 39 % of all IPv4 addresses; take some out"])]},
            ("caution", "list /a: b.txt bans 39 % of all IPv4 addresses; take some out"),
        ),
        (
            {"info": [info(worker_ends=["worker 2 was killed by SIGKILL at 12:03:05 UTC, and was replaced"])]},
            ("bad", "worker 2 was killed by SIGKILL at 12:03:05 UTC, and was replaced"),
        ),
        (
            {"info": [info(replaced_pid=9081, replaced_left_s=3600.0)]},
            (
                "caution",
                "process 9081, which this one has replaced, still has its sessions for up to 1h0m: they are not listed "
                "here, and neither kick nor shutdown reaches them; `kill -TERM 9081` ends them",
            ),
        ),
        (
            {"info": [info(sessions=100)]},
            ("bad", "maxconn is reached: 100 clients, others wait in the kernel's queue"),
        ),
        ({"frontends": [frontend(state="drain")]}, ("caution", "frontend imaps is drained: it accepts no clients")),
        ({"frontends": [frontend(state="closing")]}, ("caution", "frontend imaps is closing")),
        (
            {"frontends": [frontend(current=50)]},
            ("caution", "frontend imaps is full: 50 clients, others wait in the kernel's queue"),
        ),
        ({"backends": [backend(state="down")]}, ("bad", "backend dovecot has no server for imap")),
        ({"backends": [backend(queued=3)]}, ("caution", "backend dovecot: 3 clients wait for a server for imap")),
        (
            {"servers": [server(state="down", since_s=61.0, why="no greeting")]},
            ("bad", "server dovecot/d1 is down for imap, for 1m1s: no greeting"),
        ),
        ({"servers": [server(state="no-address")]}, ("bad", "server dovecot/d1 has no address for imap")),
        (
            {"servers": [server(state="maint"), server(state="maint", protocol="pop3")]},
            ("caution", "server dovecot/d1 is in maintenance for imap, pop3"),
        ),
        (
            {"servers": [server(state="drain", why="by hand")]},
            ("caution", "server dovecot/d1 is drained for imap: by hand"),
        ),
        (
            {"certificates": [certificate(path="/a.pem", refused="no key", days_left=None)]},
            ("bad", "certificate /a.pem is refused: no key"),
        ),
        (
            {"certificates": [certificate("a", refused="no key", is_previous=True, days_left=3)]},
            ("bad", "certificate a is refused: no key; the previous one is served, which expires in 3 days"),
        ),
        (
            {"certificates": [certificate("a", refused="no key", is_previous=True, days_left=60)]},
            ("bad", "certificate a is refused: no key; the previous one is served, which expires in 60 days"),
        ),
        (
            {"certificates": [certificate("a", refused="no key", is_previous=True, days_left=-1)]},
            ("bad", "certificate a is refused: no key; the previous one is served, which has expired"),
        ),
        (
            {"certificates": [certificate("a", refused="OCSP response /a.ocsp: has expired", days_left=60)]},
            ("bad", "certificate a is refused: OCSP response /a.ocsp: has expired"),
        ),
        (
            {"certificates": [certificate("a", refused="OCSP response /a.ocsp: has expired", days_left=3)]},
            ("bad", "certificate a is refused: OCSP response /a.ocsp: has expired; it expires in 3 days"),
        ),
        ({"certificates": [certificate("a", "b", days_left=-1)]}, ("bad", "certificate a has expired")),
        ({"certificates": [certificate("a", days_left=13)]}, ("caution", "certificate a expires in 13 days")),
    ],
)
def test_findings_are_sentences(answers: dict[str, Any], finding: tuple[str, str]) -> None:
    assert [(one.severity, str(one)) for one in found(**answers)] == [finding]


def test_surge_of_refusals_is_found_with_its_busiest_source() -> None:
    none: dict[str, Any] = {"frontends": (), "backends": (), "servers": (), "certificates": ()}
    source = {"source": "192.0.2.7/32", "rate": 784.0, "rate_s": 60.0}
    assert attention(info(), **none, refusals={"imaps": 10.0}, busiest=source) == []
    (finding,) = attention(info(), **none, refusals={"imaps": 12.6}, busiest=source)
    words = "frontend imaps refuses 13 clients a second; the busiest source is 192.0.2.7/32, 784 connections in 1m"
    assert str(finding) == words


def test_worst_findings_come_first() -> None:
    those = found(frontends=[frontend(state="drain")], servers=[server(state="maint"), server("d2", state="down")])
    assert [one.severity for one in those] == ["bad", "caution", "caution"]


def test_status_objects_are_rows_as_well() -> None:
    status = FrontendStatus(
        frontend="imaps",
        state="drain",
        protocol="imap",
        tls="implicit",
        listens=(),
        backend="dovecot",
        current=0,
        maxconn=50,
        bytes_in=0,
        bytes_out=0,
    )
    (finding,) = attention(Fields(None), frontends=[Fields(status)], backends=(), servers=(), certificates=())
    assert finding == Finding("caution", "frontend imaps", " is drained: it accepts no clients")
