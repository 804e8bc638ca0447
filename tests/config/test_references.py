from copy import deepcopy
from typing import Any

import pytest

from mailproxy.config import remarks
from tests.config.builders import MISSING, minimal, problem, problems, read

POP3 = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"}


def test_nothing_to_do_is_a_problem() -> None:
    assert problem(frontend=MISSING).startswith("frontend: is missing: write [frontend.NAME]")


def test_unknown_backend_names_the_nearest() -> None:
    assert problem(frontend__imaps__backend="dovcot") == (
        'frontend.imaps.backend: is "dovcot", and there is no [backend.dovcot]; did you mean "dovecot"?'
    )


def test_unknown_backend_with_nothing_near() -> None:
    assert problem(frontend__imaps__backend="x") == 'frontend.imaps.backend: is "x", and there is no [backend.x]'


def test_implicit_tls_needs_its_profile() -> None:
    assert problem(tls=MISSING) == 'frontend.imaps.tls-profile: is "default", and there is no [tls.default]'


def test_without_tls_no_profile_is_needed() -> None:
    assert read(tls=MISSING, frontend__imaps__tls="none").tls == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": MISSING, "frontend__imaps__tls": "nnoe"},
        {"tls": 3},
        {"tls__default": 3},
        {"backend": []},
        {"backend__dovecot": "d1"},
        {"frontend": []},
        {"frontend__imaps": 3},
    ],
)
def test_what_follows_from_a_problem_is_not_told(changes: dict[str, object]) -> None:
    assert len(problems(**changes)) == 1


def test_server_without_port_needs_the_protocols() -> None:
    assert problem(
        backend__dovecot__server={"d1": {"address": "10.0.0.1"}, "d2": {"address": "10.0.0.2"}},
        backend__dovecot__ports={"imap": 10143},
        frontend__pop3s=POP3,
    ) == (
        'backend.dovecot.ports: has no pop3, which frontend.pop3s needs for "d1", "d2" '
        "(addresses without a port); write ports = { pop3 = PORT }"
    )


def test_servers_with_a_port_or_a_socket_need_no_ports() -> None:
    assert (
        read(backend__dovecot__server__d2={"address": "/run/d2"}, frontend__pop3s=POP3).backends["dovecot"].ports == {}
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.0.0.0:993", "0.0.0.0:993"),
        ("0.0.0.0:993", "127.0.0.1:993"),
        ("127.0.0.1:993", "*:993"),
        ("[::]:993", "[::1]:993"),
        ("/run/a", "/run/a"),
    ],
)
def test_two_frontends_cannot_listen_in_one_place(first: str, second: str) -> None:
    found = problem(frontend__imaps__bind=[first], frontend__pop3s=POP3 | {"bind": [second]})
    assert found.startswith("frontend.pop3s.bind: has ")
    assert ", where frontend.imaps.bind listens already" in found


def test_neither_can_one() -> None:
    assert problem(frontend__imaps__bind=["127.0.0.1:993", "0.0.0.0:993"]) == (
        "frontend.imaps.bind: has 0.0.0.0:993, where frontend.imaps.bind listens already with 127.0.0.1:993"
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0.0.0.0:993", "0.0.0.0:995"),
        ("0.0.0.0:993", "[::]:993"),
        ("127.0.0.1:993", "127.0.0.2:993"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("/run/a", "/run/b"),
    ],
)
def test_places_that_do_not_collide(first: str, second: str) -> None:
    assert len(read(frontend__imaps__bind=[first, second]).frontends[0].bind) == 2


def test_names_with_a_dot_are_quoted_in_paths() -> None:
    values = minimal()["frontend"]
    values["imaps.v4"] = deepcopy(values.pop("imaps")) | {"backend": "none.such"}
    assert problem(frontend=values) == (
        'frontend."imaps.v4".backend: is "none.such", and there is no [backend."none.such"]'
    )


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


def test_nothing_to_remark() -> None:
    assert remarks(read(backend__dovecot__proxy_v2_pass_tlvs=["aws"], frontend__imaps__accept_proxy=["10.0.0.1"])) == ()


TLS_DOVECOT: dict[str, Any] = {
    "frontend__imaps__tls": "starttls-optional",
    "backend__dovecot__profile": "dovecot",
    "backend__dovecot__default_server": {"tls": True},
}


def test_clients_in_clear_before_a_dovecot_on_tls_are_remarked() -> None:
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
def test_server_that_no_header_can_mislead(changes: dict[str, object]) -> None:
    assert remarks(read(**HEADERS_TAKEN | changes)) == ()
