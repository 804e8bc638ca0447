"""Completion: the words that may follow in a command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from mailproxy.control.command import COMMANDS
from mailproxy.control.complete import MAX_NAMES, following, live_names
from tests.control.service import DONE, Playback

NAMES = {
    "frontend": ["imaps"],
    "backend": ["dovecot"],
    "server": ["dovecot/d1", "dovecot/d2"],
    "session": ["64-1"],
    "ban": ["192.0.2.0/24"],
}


def names(kind: str) -> Iterable[str]:
    return NAMES[kind]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "",
            [
                "show",
                "set",
                "check",
                "shutdown",
                "ban",
                "unban",
                "reload",
                "drain",
                "enable",
                "stop",
                "hand",
                "leave",
                "watch",
            ],
        ),
        ("set", ["server"]),
        ("set server", ["dovecot/d1", "dovecot/d2"]),
        ("set server dovecot/d1", ["state", "weight"]),
        ("set server dovecot/d1 state", ["ready", "drain", "maint"]),
        ("set server dovecot/d1 weight", []),
        ("set server dovecot/d1 state drain", []),
        ("show sessions frontend", ["imaps"]),
        ("show sessions backend", ["dovecot"]),
        ("show sessions stage relay client", []),
        ("drain", ["frontend", "server", "delay", "timeout", "spread"]),
        ("drain frontend", ["imaps"]),
        ("drain frontend imaps", ["kick", "spread"]),
        ("drain frontend imaps kick", ["spread"]),
        ("drain timeout 1h", ["delay", "spread"]),
        ("watch", ["all", "sessions", "servers", "service"]),
        ("watch all", []),
        ("shutdown session", ["64-1"]),
        ("ban", []),
        ("ban 192.0.2.7", ["kick", "origin", "forever"]),
        ("ban 192.0.2.7 kick 1h", ["origin"]),
        ("ban 192.0.2.7 kick 1h spam origin", ["ctl", "rule", "crowdsec"]),
        ("ban 192.0.2.7 origin fail2ban", ["kick", "forever"]),
        ("unban", ["192.0.2.0/24"]),
        ("unban 192.0.2.7", ["origin"]),
        ("nonsense", []),
    ],
)
def test_words_are_followed_by(words: str, expected: list[str]) -> None:
    assert following(words.split(), names) == expected


def test_filters_are_offered_once() -> None:
    offered = following(["show", "sessions", "sni", "x"], names)
    assert "frontend" in offered
    assert "sni" not in offered


def test_every_command_can_be_completed_to_its_end() -> None:
    for command in COMMANDS:
        for place, word in enumerate(command.words):
            before = [NAMES.get(one.lower(), ["x"])[0] if one.isupper() else one for one in command.words[:place]]
            assert word.isupper() or word in following(before, names), command


def test_names_are_those_in_the_running_service(tmp_path: Path) -> None:
    rows = [
        {"type": "row", "backend": "dovecot", "server": "d1", "protocol": protocol} for protocol in ("imap", "pop3")
    ]
    with Playback(tmp_path / "s", [*rows, DONE]) as service:
        assert following(["check", "now"], live_names(service.path)) == ["dovecot/d1"]
    assert service.requests[0]["command"] == "show servers"


def test_sessions_are_those_that_are_connected(tmp_path: Path) -> None:
    rows = [{"type": "row", "id": f"64-{number:x}", "frontend": "imaps"} for number in range(MAX_NAMES + 1)]
    with Playback(tmp_path / "s", [*rows, DONE]) as service:
        found = following(["shutdown", "session"], live_names(service.path))
    assert found[:2] == ["64-0", "64-1"]
    assert len(found) == MAX_NAMES


def test_service_that_does_not_answer_has_no_names(tmp_path: Path) -> None:
    assert following(["check", "now"], live_names(str(tmp_path / "s"))) == []
