"""A service in one line."""

from types import SimpleNamespace
from typing import Any

import pytest

from mailproxy.control.summary import summary


def running(sessions: int, *backends: dict[str, bool], is_stopping: bool = False) -> Any:
    """A service with sessions, and with backend "b" for a protocol each: its servers by name, and whether they run."""
    return SimpleNamespace(
        stop=SimpleNamespace(has_begun=is_stopping),
        process_state=SimpleNamespace(total=SimpleNamespace(sessions=sessions)),
        generation=SimpleNamespace(
            backends={
                ("b", f"protocol {number}"): SimpleNamespace(
                    pool=SimpleNamespace(
                        servers=[SimpleNamespace(name=name, is_running=runs) for name, runs in servers.items()]
                    )
                )
                for number, servers in enumerate(backends)
            }
        ),
    )


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (running(0, {"d1": True}), "0 sessions, 1 of 1 server up"),
        (running(1, {"d1": True, "d2": False}), "1 session, 1 of 2 servers up"),
        (running(7, {"d1": True, "d2": True}, {"d1": False, "d2": True}), "7 sessions, 1 of 2 servers up"),
        (running(7, {"d1": False}, {"d1": True}), "7 sessions, 0 of 1 server up"),
        (running(3, {"d1": True}, is_stopping=True), "stopping, 3 sessions"),
    ],
)
def test_sessions_and_servers_are_counted(service: Any, words: str) -> None:
    assert summary(service) == words
