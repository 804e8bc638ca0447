"""A backend as sessions use it: its servers, the header, and the key of a client for balance rules."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

import pytest

from mailproxy import config
from mailproxy.announce.addresses import PackedAddress
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.balance.change import Change
from mailproxy.config import Check, InetServer, NamedServer, ServerTls, SrvServer, UnixServer
from mailproxy.names.record import Record
from mailproxy.proxyprotocol import Address, InetAddress, UnixAddress
from mailproxy.transport.outgoing import Target

MAPPED = bytes(10) + b"\xff\xff"
HERE = InetServer(ip_address("192.0.2.1"), 143)


def server(name: str = "d1", **changes: Any) -> config.Server:
    settings: dict[str, Any] = {"name": name, "address": HERE}
    return config.Server(**settings | changes)


def backend(*servers: config.Server, protocol: Any = "imap", **changes: Any) -> Backend:
    settings: dict[str, Any] = {"name": "dovecot", "send_proxy": "none", "servers": servers or (server(),)}
    return Backend(config.Backend(**settings | changes), protocol)


def checked(*, error_limit: int = 2, **changes: Any) -> Backend:
    """A backend with a server that goes down with the first check that fails."""
    return backend(server(check=Check(type="tcp", fall=1), error_limit=error_limit, **changes))


# What the rule knows a client by.


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ((b"\xc0\x00\x02\x09", 4711), b"\xc0\x00\x02\x09"),
        ((MAPPED + b"\xc0\x00\x02\x09", 4711), b"\xc0\x00\x02\x09"),
        ((b"\x20\x01\x0d\xb8\0\0\0\1" + bytes(7) + b"\x09", 4711), b"\x20\x01\x0d\xb8\0\0\0\1"),
        (InetAddress(ip_address("192.0.2.9"), 4711), b"\xc0\x00\x02\x09"),
        (InetAddress(ip_address("::ffff:192.0.2.9"), 4711), b"\xc0\x00\x02\x09"),
        (InetAddress(ip_address("2001:db8:0:1::9"), 4711), b"\x20\x01\x0d\xb8\0\0\0\1"),
        (UnixAddress(b"/run/client.sock"), b""),
        (None, b""),
    ],
    ids=["ipv4", "mapped", "ipv6", "header-ipv4", "header-mapped", "header-ipv6", "header-unix", "unix"],
)
def test_client_is_known_by_its_network(source: Address | PackedAddress | None, key: bytes) -> None:
    assert backend(balance="source").key(source) == key


def test_clients_of_one_network_are_one() -> None:
    made = backend(balance="source")
    assert made.key(InetAddress(ip_address("2001:db8::1"), 1)) == made.key(InetAddress(ip_address("2001:db8::2"), 2))


@pytest.mark.parametrize("balance", ["leastconn", "roundrobin", "first", "random"])
def test_other_rules_treat_all_clients_alike(balance: str) -> None:
    assert backend(balance=balance).key((b"\xc0\x00\x02\x09", 4711)) == b""


# Errors that sessions met.


def urgent(made: Backend) -> list[BackendServer]:
    """The servers whose check has become urgent, in order."""
    servers: list[BackendServer] = []
    made.check_soon = servers.append
    return servers


def test_error_makes_no_check_urgent_below_the_limit() -> None:
    made = checked()
    servers = urgent(made)
    made.failed(made.pool.servers[0], 1.0, "refused")
    assert servers == []


def test_errors_at_the_limit_make_a_check_urgent() -> None:
    made = checked()
    servers = urgent(made)
    for _ in range(2):
        made.failed(made.pool.servers[0], 1.0, "refused")
    assert servers == [made.pool.servers[0]]


@pytest.mark.parametrize(("on_error", "is_up"), [("fastinter", True), ("fail-check", False), ("mark-down", False)])
def test_errors_at_the_limit_count_as_configured(on_error: str, is_up: bool) -> None:
    made = checked(on_error=on_error)
    (one,) = made.pool.servers
    made.pool.passed(one, 0.0)
    for _ in range(2):
        made.failed(one, 1.0, "refused")
    assert one.is_up == is_up


def test_success_forgets_errors() -> None:
    made = checked()
    servers = urgent(made)
    (one,) = made.pool.servers
    made.failed(one, 1.0, "refused")
    made.succeeded(one)
    made.failed(one, 2.0, "refused")
    assert servers == []
    assert one.health is not None
    assert one.health.errors == 1


def test_errors_of_a_server_that_is_not_observed_do_not_count() -> None:
    made = checked(observe="none")
    servers = urgent(made)
    for _ in range(10):
        made.failed(made.pool.servers[0], 1.0, "refused")
    assert servers == []
    assert made.pool.servers[0].is_up


def test_errors_of_a_server_without_checks_do_not_count() -> None:
    """Nothing would bring it up again."""
    made = backend(server(observe="connect", error_limit=1, on_error="mark-down"))
    servers = urgent(made)
    made.failed(made.pool.servers[0], 1.0, "refused")
    assert servers == []
    assert made.pool.servers[0].is_up


def test_success_of_a_server_without_checks_is_none_to_count() -> None:
    made = backend()
    made.succeeded(made.pool.servers[0])
    assert made.pool.servers[0].is_up


def test_errors_that_nobody_checks_for_are_counted_nevertheless() -> None:
    made = checked(error_limit=1)
    made.failed(made.pool.servers[0], 1.0, "refused")
    assert not made.pool.servers[0].is_up


def test_change_is_reported_to_every_listener() -> None:
    made = checked(error_limit=1)
    received: list[tuple[str, Change[BackendServer]]] = []
    made.observers += [lambda change: received.append(("one", change)), lambda change: received.append(("two", change))]
    made.failed(made.pool.servers[0], 1.0, "refused")
    assert [(name, change.event) for name, change in received] == [
        ("one", "down"),
        ("two", "down"),
        ("one", "no-server"),
        ("two", "no-server"),
    ]
    assert received[0][1].reason == "refused"


# The servers.


@pytest.mark.parametrize(
    ("address", "family", "where"),
    [
        (HERE, socket.AF_INET, ("192.0.2.1", 143)),
        (InetServer(ip_address("2001:db8::1"), 143), socket.AF_INET6, ("2001:db8::1", 143)),
        (UnixServer("/run/imap.sock"), socket.AF_UNIX, "/run/imap.sock"),
    ],
)
def test_address_is_where_to_connect(address: Any, family: socket.AddressFamily, where: Any) -> None:
    target = backend(server(address=address)).pool.servers[0].target
    assert isinstance(target, Target)
    assert (target.family, target.address, target.tls) == (family, where, None)


@pytest.mark.parametrize("address", [NamedServer("imap.example.org", 143), SrvServer("_imap._tcp.example.org")])
def test_server_whose_name_was_not_looked_up_is_not_usable(address: Any) -> None:
    pool = backend(server(address=address)).pool
    assert pool.servers[0].target is None
    assert pool.is_empty


def test_port_is_the_protocol_s_unless_the_server_has_one() -> None:
    ports = {"imap": 143, "pop3": 110}
    address = InetServer(ip_address("192.0.2.1"), None)
    made = backend(server(address=address), server("d2"), protocol="pop3", ports=ports)
    assert [str(one.target) for one in made.pool.servers] == ["192.0.2.1:110", "192.0.2.1:143"]


def test_servers_of_one_name_have_one_origin() -> None:
    made = backend(server("d", address=SrvServer("_imap._tcp.example.org"), count=3), server("e"))
    first, second, third, other = made.pool.servers
    assert [one.name for one in made.pool.servers] == ["d1", "d2", "d3", "e"]
    assert first.origin is second.origin is third.origin
    assert other.origin is not first.origin


def test_servers_of_one_name_have_a_health_each() -> None:
    made = backend(server("d", address=SrvServer("_imap._tcp.example.org"), count=2, check=Check(type="tcp")))
    first, second = made.pool.servers
    assert first.health is not second.health


def test_server_without_checks_has_no_health() -> None:
    assert backend().pool.servers[0].health is None


def test_tls_that_cannot_work_names_the_server() -> None:
    with pytest.raises(ValueError, match=r"^server d1, tls: .*/nonexistent\.pem"):
        backend(server(tls=ServerTls(ca="/nonexistent.pem")))


def test_wait_for_a_place_is_as_long_as_that_for_a_connection_by_default() -> None:
    timeouts = config.BackendTimeouts(connect=3.0)
    assert backend(timeout=timeouts).queue_seconds == 3.0
    assert backend(timeout=config.BackendTimeouts(connect=3.0, queue=30.0)).queue_seconds == 30.0


# A configuration that was read anew.


def again(before: Backend, *servers: config.Server) -> Backend:
    known = {one.name: one for one in before.pool.servers}
    return Backend(config.Backend(name="dovecot", send_proxy="none", servers=servers), "imap", None, known)


def test_server_that_has_not_changed_is_the_same() -> None:
    before = backend(server())
    assert again(before, server()).pool.servers == before.pool.servers


def test_server_that_has_changed_keeps_its_health() -> None:
    before = backend(server(check=Check(type="tcp", fall=1)))
    (previous,) = before.pool.servers
    before.pool.failed(previous, 1.0, "gone")
    (later,) = again(before, server(check=Check(type="tcp", fall=1), weight=7)).pool.servers
    assert later is not previous
    assert (later.is_up, later.weight) == (False, 7)


def test_server_at_another_address_begins_again() -> None:
    before = backend(server(check=Check(type="tcp", fall=1)))
    before.pool.failed(before.pool.servers[0], 1.0, "gone")
    moved = server(check=Check(type="tcp", fall=1), address=InetServer(ip_address("192.0.2.2"), 143))
    (later,) = again(before, moved).pool.servers
    assert later.is_up


def test_server_keeps_what_an_admin_wanted_and_dns_said() -> None:
    named = NamedServer("mail.example.org", 143)
    before = backend(server(address=named))
    (previous,) = before.pool.servers
    previous.record = Record(ip_address("192.0.2.7"), 143, backup=True)
    before.pool.set_target(previous, Target(socket.AF_INET, ("192.0.2.7", 143), None), 1.0)
    before.pool.set_state(previous, "drain", 2.0)
    (later,) = again(before, server(address=named, weight=7)).pool.servers
    assert later.state == "drain"
    assert later.target is not None
    assert later.target.address == ("192.0.2.7", 143)
    assert later.record is previous.record
    assert later.backup


def test_state_that_the_configuration_changes_goes_before_an_admin_s() -> None:
    before = backend(server())
    before.pool.set_state(before.pool.servers[0], "drain", 1.0)
    (later,) = again(before, server(state="maint")).pool.servers
    assert later.state == "maint"


def test_server_with_tls_is_a_new_one_for_its_files_may_have_changed() -> None:
    tls = ServerTls(verify="none")
    before = backend(server(tls=tls))
    (later,) = again(before, server(tls=tls)).pool.servers
    assert later is not before.pool.servers[0]
    assert later.target is not None
    assert later.target.tls is later.origin.tls


def test_errors_of_the_former_s_sessions_are_looked_after() -> None:
    previous = backend(server(check=Check(type="tcp"), error_limit=1, on_error="mark-down"))
    later = again(previous, server(check=Check(type="tcp"), error_limit=1, on_error="mark-down"))
    later.succeed(previous)
    reported: list[str] = []
    urged = urgent(later)
    later.observers.append(lambda change: reported.append(change.event))
    (one,) = previous.pool.servers
    previous.failed(one, 1.0, "gone")
    assert reported == ["down", "no-server"]
    assert urged == [one]
    assert later.pool.is_empty
    later.detach(previous)
    previous.pool.passed(one, 2.0)
    assert reported == ["down", "no-server"]


def test_servers_that_the_former_alone_has_are_its_own_affair() -> None:
    previous = backend(server(check=Check(type="tcp"), error_limit=1, on_error="mark-down"))
    later = again(previous, server(check=Check(type="tcp"), weight=7))
    later.succeed(previous)
    reported: list[str] = []
    urged = urgent(later)
    later.observers.append(lambda change: reported.append(change.event))
    previous.failed(previous.pool.servers[0], 1.0, "gone")
    assert (reported, urged) == ([], [])
