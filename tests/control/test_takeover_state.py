"""What a process that takes over gets of the previous one's frontends and servers."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import pytest
from attrs import asdict

from mailproxy.control.observe import server_status
from mailproxy.control.takeover_state import take_over_state
from mailproxy.front.prepare import Prepared, prepare
from tests.config.builders import MISSING, read
from tests.interop.ports import free_port

NOW = 100.0
CHECKED = {"check": {"type": "tcp"}}


def prepared(server: dict[str, Any], **frontends: Any) -> Prepared:
    frontends = frontends or {"front": {"bind": ["127.0.0.1:0"]}}
    valid = {"protocol": "imap", "tls": "none", "backend": "dovecot"}
    servers = {"server": {"d1": {"address": "192.0.2.1:10143", **CHECKED, **server}}}
    wanted = {name: valid | keys for name, keys in frontends.items()}
    return prepare(read(tls=MISSING, frontend=wanted, backend__dovecot=servers))


def pool_of(made: Prepared) -> Any:
    return made.backends["dovecot", "imap"].pool


def row_of(made: Prepared, **changes: Any) -> dict[str, Any]:
    """The row of the previous process's only server."""
    backend = made.backends["dovecot", "imap"]
    (server,) = backend.pool.servers
    override = made.process_state.overrides.of("dovecot", server)
    return asdict(server_status(backend, server, override, NOW)) | changes


def inherited(later: Prepared, row: dict[str, Any]) -> tuple[list[str], Any]:
    """What the later process says it has, and its server."""
    lines = take_over_state(later, [], [row], NOW)
    return lines, pool_of(later).servers[0]


def test_server_without_changes_needs_no_word() -> None:
    lines, server = inherited(prepared({}), row_of(prepared({})))
    assert lines == []
    assert (server.state, server.asked_weight, server.is_up) == ("ready", 100, True)


@pytest.mark.parametrize("state", ["drain", "maint"])
def test_state_set_by_hand_stays_over_later_reloads(state: str) -> None:
    later = prepared({})
    lines, server = inherited(later, row_of(prepared({}), state_by_hand=state))
    assert lines == [f"server dovecot/d1 imap: state {state}"]
    assert (server.state, server.is_usable) == (state, False)
    assert later.process_state.overrides.of("dovecot", server).state == state


@pytest.mark.parametrize(("state", "since"), [("drain", NOW - 60.0), ("maint", NOW)])
def test_age_of_the_same_state_continues(state: str, since: float) -> None:
    row = row_of(prepared({}), state_by_hand="drain", state=state, since_s=60.0)
    _, server = inherited(prepared({}), row)
    assert (server.condition, server.since) == ("drain", since)


def test_weight_set_by_hand_stays() -> None:
    lines, server = inherited(prepared({}), row_of(prepared({}), weight_by_hand=7.0))
    assert lines == ["server dovecot/d1 imap: weight 7"]
    assert server.share == 7


def test_configuration_that_has_changed_wins() -> None:
    row = row_of(prepared({}), state_by_hand="drain", weight_by_hand=7.0)
    lines, server = inherited(prepared({"state": "maint", "weight": 50}), row)
    assert lines == []
    assert (server.state, server.asked_weight) == ("maint", 50)


def test_dead_server_is_dead_from_the_start() -> None:
    previous = prepared({})
    pool_of(previous).set_health(pool_of(previous).servers[0], False, NOW, "connection refused")
    lines, server = inherited(prepared({}), row_of(previous))
    assert lines == ["server dovecot/d1 imap: down"]
    assert (server.is_up, server.why) == (False, "connection refused")


def test_live_server_need_not_pass_a_check_first() -> None:
    lines, server = inherited(prepared({"init-state": "down"}), row_of(prepared({})))
    assert lines == ["server dovecot/d1 imap: up"]
    assert server.is_usable


def test_health_of_another_address_is_none_of_ours() -> None:
    row = row_of(prepared({"address": "192.0.2.9:10143"}), is_up=False)
    assert inherited(prepared({}), row)[1].is_up


def test_address_of_a_name_is_used_until_dns_answers() -> None:
    row = row_of(prepared({}), address="[2001:db8::1]:10143", is_up=False)
    lines, server = inherited(prepared({"address": "d1.example.org:10143"}), row)
    assert lines == ["server dovecot/d1 imap: down"]
    assert (str(server.target), server.record.port) == ("[2001:db8::1]:10143", None)


def test_name_without_an_address_stays_so() -> None:
    for address in (None, "/run/d1.sock"):
        _, server = inherited(prepared({"address": "d1.example.org:10143"}), row_of(prepared({}), address=address))
        assert server.target is None


def test_row_of_an_earlier_version_and_of_a_removed_server_are_passed_over() -> None:
    rows = [
        {"type": "row", "backend": "dovecot", "protocol": "imap", "server": "d1"},
        row_of(prepared({}), server="d9", state_by_hand="maint"),
        {},
    ]
    assert take_over_state(prepared({}), [{}], rows, NOW) == []


def test_drained_frontend_keeps_its_address_and_listens_once_enabled() -> None:
    address = ("127.0.0.1", free_port())
    later = prepared({}, front={"bind": [f"127.0.0.1:{address[1]}"]})
    sockets = later.process_state.sockets
    with closing(sockets):
        # The kernel gives up a port that it has chosen itself.
        with socket.create_server(address) as previous:
            previous.shutdown(socket.SHUT_RD)
            sockets.source.offer([previous.dup()])
        lines = take_over_state(later, [{"frontend": "front", "state": "drain"}], [], NOW)
        assert lines == ["frontend front is drained"]
        later.bind()
        sockets.source.close_offered()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        sockets.resume(later.settings.frontends[0])
        with socket.create_connection(address, 5):
            pass
