"""What is wrong, in words."""

from __future__ import annotations

from typing import Any

import pytest

from mailproxy.top.attention import attention
from tests.top.rows import backend, certificate, frontend, info, sample, server


def test_nothing_is_wrong_with_a_good_service() -> None:
    assert attention(sample()) == []


@pytest.mark.parametrize(
    ("answers", "finding"),
    [
        ({"info": [info(state="stopping")]}, ("bad", "the service is stopping")),
        (
            {"info": [info(sessions=100)]},
            ("bad", "maxconn is reached: 100 clients, others wait in the kernel's queue"),
        ),
        ({"frontends": [frontend(state="drain")]}, ("held", "frontend imaps is drained: it accepts no clients")),
        ({"frontends": [frontend(state="closing")]}, ("held", "frontend imaps is closing")),
        (
            {"frontends": [frontend(current=50)]},
            ("held", "frontend imaps is full: 50 clients, others wait in the kernel's queue"),
        ),
        ({"backends": [backend(state="down")]}, ("bad", "backend dovecot has no server for imap")),
        ({"backends": [backend(queued=3)]}, ("held", "backend dovecot: 3 clients wait for a server for imap")),
        (
            {"servers": [server(state="down", since_s=61.0, why="no greeting")]},
            ("bad", "server dovecot/d1 is down for imap, since 1m1s: no greeting"),
        ),
        ({"servers": [server(state="no-address")]}, ("bad", "server dovecot/d1 has no address for imap")),
        (
            {"servers": [server(state="maint"), server(state="maint", protocol="pop3")]},
            ("held", "server dovecot/d1 is in maintenance for imap, pop3"),
        ),
        (
            {"servers": [server(state="drain", why="by hand")]},
            ("held", "server dovecot/d1 is drained for imap: by hand"),
        ),
        (
            {"certificates": [certificate(path="/a.pem", refused="no key", days_left=None)]},
            ("bad", "certificate /a.pem is refused: no key"),
        ),
        ({"certificates": [certificate("a", "b", days_left=-1)]}, ("bad", "certificate a has expired")),
        ({"certificates": [certificate("a", days_left=13)]}, ("held", "certificate a expires in 13 days")),
    ],
)
def test_findings_are_sentences(answers: dict[str, Any], finding: tuple[str, str]) -> None:
    assert attention(sample(**answers)) == [finding]


def test_worst_findings_come_first() -> None:
    found = attention(sample(frontends=[frontend(state="drain")], backends=[backend(state="down")]))
    assert [style for style, _ in found] == ["bad", "held"]
