"""Which sessions are kept for servers."""

from __future__ import annotations

from mailproxy.tls.sessions import Sessions


def test_last_session_of_a_server_is_kept() -> None:
    sessions = Sessions()
    sessions.keep("a", 1)
    sessions.keep("a", 2)
    assert (sessions.get("a"), sessions.get("b")) == (2, None)


def test_sessions_that_are_kept_are_bounded() -> None:
    """With the clients' server names there is one for each."""
    sessions = Sessions(2)
    for number, server in enumerate("abacbd"):
        sessions.keep(server, number)
    assert [sessions.get(server) for server in "abcd"] == [None, 4, None, 5]
