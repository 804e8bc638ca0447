from ipaddress import IPv4Address

import pytest

from mailproxy.config import Backend, BackendTimeouts, InetServer, Server, UnixServer
from tests.config.builders import MISSING, problem, read


def backend(**changes: object) -> Backend:
    return read(**{f"backend__dovecot__{key}": value for key, value in changes.items()}).backends["dovecot"]


D1 = Server(name="d1", address=InetServer(IPv4Address("10.41.1.131"), 10143))


def test_backend_has_defaults() -> None:
    assert backend() == Backend(
        name="dovecot",
        profile="generic",
        balance="leastconn",
        send_proxy="v2-ssl",
        proxy_v2_options=frozenset(),
        tlvs=(),
        pass_tlvs=(),
        ports={},
        retries=3,
        timeout=BackendTimeouts(connect=5),
        servers=(D1,),
    )


def test_every_key_of_a_backend_is_read() -> None:
    found = backend(
        profile="dovecot",
        balance="leastconn",
        send_proxy="v2-ssl-cn",
        proxy_v2_options=["crc32c", "authority", "crc32c"],
        proxy_v2_pass_tlvs=["azure", "aws", 0xE3, "unique-id"],
        ports={"imap": 10143, "tcp": 1},
        retries=0,
        timeout={"connect": "500ms"},
    )
    assert found.profile == "dovecot"
    assert found.send_proxy == "v2-ssl-cn"
    assert found.proxy_v2_options == {"crc32c", "authority"}
    assert found.pass_tlvs == (0xEE, 0xEA, 0xE3, 5)
    assert found.ports == {"imap": 10143, "tcp": 1}
    assert found.retries == 0
    assert found.timeout == BackendTimeouts(connect=0.5)


def test_servers_keep_the_files_order() -> None:
    found = backend(server={"z": {"address": "/run/z"}, "a": {"address": "10.0.0.1:1"}})
    assert [server.name for server in found.servers] == ["z", "a"]


def test_port_of_a_server_wins_over_the_protocols() -> None:
    assert backend(ports={"imap": 1}).address(D1, "imap") == D1.address


def test_server_without_a_port_has_the_protocols() -> None:
    server = Server(name="d2", address=InetServer(IPv4Address("10.0.0.1")))
    assert backend(ports={"imap": 1}).address(server, "imap") == InetServer(IPv4Address("10.0.0.1"), 1)


def test_path_of_a_server_is_its_address() -> None:
    assert backend().address(Server(name="d2", address=UnixServer("/run/d2")), "imap") == UnixServer("/run/d2")


@pytest.mark.parametrize("servers", [MISSING, {}])
def test_servers_are_needed(servers: object) -> None:
    assert problem(backend__dovecot__server=servers) == (
        "backend.dovecot.server: is missing: write [backend.dovecot.server.NAME] with an address"
    )


def test_address_is_needed() -> None:
    assert problem(backend__dovecot__server__d2={}).startswith("backend.dovecot.server.d2.address: is missing, needs ")


@pytest.mark.parametrize("balance", ["leastconn", "roundrobin", "source", "first", "random"])
def test_every_balance_rule_is_accepted(balance: str) -> None:
    assert backend(balance=balance).balance == balance


def test_unknown_rule_names_the_nearest() -> None:
    assert problem(backend__dovecot__balance="leastcon") == (
        'backend.dovecot.balance: is "leastcon", needs one of "leastconn", "roundrobin", "source", "first", "random"; '
        'did you mean "leastconn"?'
    )


def test_settings_of_the_queue_are_read() -> None:
    found = backend(maxqueue=100, allbackups=True, timeout={"queue": "10s"})
    assert (found.maxqueue, found.allbackups, found.timeout.queue_seconds) == (100, True, 10.0)


def test_ports_are_by_protocol() -> None:
    assert problem(backend__dovecot__ports={"imaps": 993}) == (
        'backend.dovecot.ports.imaps: is not a key that mailproxy knows; did you mean "imap"?'
    )


@pytest.mark.parametrize("send_proxy", ["none", "v1"])
@pytest.mark.parametrize(
    ("key", "value"),
    [("proxy_v2_options", ["crc32c"]), ("proxy_v2_tlvs", {"0xE1": "x"}), ("proxy_v2_pass_tlvs", ["aws"])],
)
def test_tlvs_need_version_2(send_proxy: str, key: str, value: object) -> None:
    found = problem(**{"backend__dovecot__send_proxy": send_proxy, f"backend__dovecot__{key}": value})
    assert f'needs a version 2 header; send-proxy is "{send_proxy}"' in found


def test_type_is_constant_or_passed_on() -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xE3": "x"}, backend__dovecot__proxy_v2_pass_tlvs=[0xE3]) == (
        'backend.dovecot.proxy-v2-pass-tlvs: has "0xe3", which proxy-v2-tlvs sets too; choose one'
    )
