from typing import Any

import pytest

from mailproxy.config import remarks
from tests.config.builders import MISSING, read

POP3 = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"}


def test_what_nobody_uses_is_remarked() -> None:
    config = read(tls__spare={"certificates": ["x"]}, backend__spare={"server": {"s1": {"address": "10.0.0.1:1"}}})
    assert [str(remark) for remark in remarks(config)] == [
        "tls.spare: is not used by any frontend",
        "backend.spare: is not used by any frontend",
    ]


def test_field_that_no_frontend_reads_is_remarked() -> None:
    formats = {"0xE1": {"format": "{tlv_aws} {tlv_ssl_cn} {tlv_azure} {sni}"}}
    senders = {"accept_proxy": ["10.0.0.1"], "log_tlvs": ["aws", "ssl"]}
    config = read(
        backend__dovecot__proxy_v2_tlvs=formats,
        **{f"frontend__imaps__{key}": value for key, value in senders.items()},
    )
    assert [str(remark) for remark in remarks(config)] == [
        "backend.dovecot: has a format with {tlv_azure}, which is always empty: "
        "no frontend with this backend has it in log-tlvs"
    ]


def test_passing_on_without_receiving_is_remarked() -> None:
    assert [str(remark) for remark in remarks(read(backend__dovecot__proxy_v2_pass_tlvs=["aws"]))] == [
        "backend.dovecot.proxy-v2-pass-tlvs: has nothing to pass on: no frontend with this backend has accept-proxy"
    ]


def test_passing_on_what_headers_bring_is_not_remarked() -> None:
    assert remarks(read(backend__dovecot__proxy_v2_pass_tlvs=["aws"], frontend__imaps__accept_proxy=["10.0.0.1"])) == ()


TLS_DOVECOT: dict[str, Any] = {
    "frontend__imaps__tls": "starttls-optional",
    "backend__dovecot__profile": "dovecot",
    "backend__dovecot__default_server": {"tls": True},
}


def test_clients_without_tls_before_a_dovecot_on_tls_are_remarked() -> None:
    (remark,) = remarks(read(**TLS_DOVECOT))
    assert str(remark).startswith('frontend.imaps.tls: is "starttls-optional", and Dovecot takes passwords')


@pytest.mark.parametrize(
    "change",
    [
        {"frontend__imaps__tls": "starttls"},
        {"backend__dovecot__profile": "postfix"},
        {"backend__dovecot__default_server": {"tls": False}},
    ],
)
def test_clients_that_no_dovecot_takes_for_secured_are_not_remarked(change: dict[str, Any]) -> None:
    assert remarks(read(**TLS_DOVECOT | change)) == ()


HEADERS_TAKEN = {"frontend__imaps__accept_proxy": ["10.0.0.7"], "backend__dovecot__send_proxy": "none"}


@pytest.mark.parametrize("key", ["accept_proxy", "accept_proxy_optional"])
def test_server_that_headers_inside_tls_could_mislead_is_remarked(key: str) -> None:
    changes = {f"frontend__imaps__{key}": ["10.0.0.7"], "backend__dovecot__send_proxy": "none"}
    (remark,) = remarks(read(**changes))
    assert str(remark) == (
        'backend.dovecot.send-proxy: is "none", so no server learns the addresses that frontend.imaps takes from '
        "headers; servers must not take headers then: a client could claim an address inside TLS"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"backend__dovecot__send_proxy": "v1"},
        {"frontend__imaps__accept_proxy": []},
        {"tls": MISSING, "frontend__imaps__tls": "none"},
    ],
)
def test_server_that_no_header_can_mislead_is_not_remarked(changes: dict[str, object]) -> None:
    assert remarks(read(**HEADERS_TAKEN | changes)) == ()
