"""Senders of PROXY headers that have no effect, and clients that are all refused."""

import pytest

from mailproxy.config import remarks
from tests.config.builders import MISSING, read

TCP4, TCP6, SOCKET = "0.0.0.0:993", "[::]:993", "/run/mailproxy/imap.sock"


def found(**settings: object) -> list[str]:
    config = read(**{f"frontend__imaps__{key}": value for key, value in settings.items()})
    return [str(remark).removeprefix("frontend.imaps.") for remark in remarks(config)]


@pytest.mark.parametrize("key", ["accept-proxy", "accept-proxy-optional", "tls-offloaded-by"])
@pytest.mark.parametrize(
    ("bind", "sender", "family"),
    [
        (TCP4, "unix", "a UNIX socket"),
        (SOCKET, "10.0.0.0/8", "an IPv4 address"),
        (TCP4, "2001:db8::/32", "an IPv6 address"),
        (TCP6, "10.0.0.0/8", "an IPv4 address"),
    ],
)
def test_sender_that_cannot_connect_is_remarked(key: str, bind: str, sender: str, family: str) -> None:
    remark = f'{key}: has "{sender}", which has no effect: no bind is {family}'
    assert remark in found(tls="none", bind=[bind], **{key.replace("-", "_"): [sender]})


def test_first_of_several_is_named() -> None:
    (remark,) = found(bind=[SOCKET], accept_proxy=["unix", "10.0.0.0/8", "192.0.2.1"])
    assert '"10.0.0.0/8"' in remark


@pytest.mark.parametrize(
    ("bind", "senders", "where"),
    [
        ([TCP4, SOCKET], ["10.0.0.0/8"], f"{SOCKET}: no entry of accept-proxy is a UNIX socket"),
        ([TCP4, TCP6], ["10.0.0.0/8"], f"{TCP6}: no entry of accept-proxy is an IPv6 address"),
        ([TCP4, SOCKET], ["unix"], f"{TCP4}: no entry of accept-proxy is an IPv4 address"),
    ],
)
def test_bind_that_lets_nobody_in_is_remarked(bind: list[str], senders: list[str], where: str) -> None:
    assert found(bind=bind, accept_proxy=senders, accept_proxy_only=True) == [
        f"accept-proxy-only: lets no client in at {where}"
    ]


def test_those_who_may_send_a_header_are_let_in() -> None:
    assert found(bind=[SOCKET], accept_proxy_optional=["unix"], accept_proxy_only=True) == []


def test_bind_for_every_sender_is_not_remarked() -> None:
    senders = ["unix", "10.0.0.0/8", "2001:db8::/32"]
    assert found(bind=[TCP4, TCP6, SOCKET], accept_proxy=senders, accept_proxy_only=True) == []


def test_others_on_a_unix_socket_are_direct_clients() -> None:
    assert found(bind=[TCP4, SOCKET], accept_proxy=["10.0.0.0/8"]) == []


def test_time_for_a_header_that_nobody_sends_is_remarked() -> None:
    assert found(timeout={"proxy-header": "9s", "proxy-header-optional": "9s"}) == [
        "timeout.proxy-header: has no effect: there is no accept-proxy",
        "timeout.proxy-header-optional: has no effect: there is no accept-proxy-optional",
    ]


def test_time_for_an_optional_header_is_used() -> None:
    settings = {"proxy-header": "9s", "proxy-header-optional": "9s"}
    assert found(timeout=settings, accept_proxy_optional=["10.0.0.0/8"]) == []


def test_tls_of_a_client_without_an_address_is_remarked() -> None:
    settings: dict[str, object] = {"tls": "none", "bind": [SOCKET], "tls_offloaded_by": ["unix"]}
    assert found(**settings)[-1].startswith(
        'tls-offloaded-by: has "unix", which has no effect without "unix" in accept-'
    )
    for key in ("accept_proxy", "accept_proxy_optional"):
        assert not found(**settings | {key: ["unix"]})[1:]


OFFLOADED = {"tls": MISSING, "frontend__imaps__tls": "none", "frontend__imaps__tls_offloaded_by": ["10.0.0.7"]}


@pytest.mark.parametrize("send_proxy", ["none", "v1", "v2"])
def test_tls_that_no_header_names_is_remarked(send_proxy: str) -> None:
    (remark,) = remarks(read(**OFFLOADED, backend__dovecot__send_proxy=send_proxy))
    assert str(remark) == (
        f'frontend.imaps.tls-offloaded-by: has no effect: send-proxy = "{send_proxy}" of backend.dovecot tells no '
        'server of TLS; "v2-ssl" does'
    )


@pytest.mark.parametrize(("send_proxy", "options"), [("v2-ssl", []), ("v2-ssl-cn", []), ("v2", ["group"])])
def test_tls_that_headers_name_is_not_remarked(send_proxy: str, options: list[str]) -> None:
    changes = {"backend__dovecot__send_proxy": send_proxy, "backend__dovecot__proxy_v2_options": options}
    assert remarks(read(**OFFLOADED, **changes)) == ()
