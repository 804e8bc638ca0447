"""How a running service is asked over HTTP: the keys of ``[admin]``."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from mailproxy.config import InetBind, UnixBind, remarks
from mailproxy.config.admin import LOOPBACK
from tests.config.builders import problem, read

LOCAL = "127.0.0.1:8404"


def http(where: str = LOCAL, **keys: object) -> dict[str, Any]:
    return {"http": where, **{f"http-{name.replace('_', '-')}": value for name, value in keys.items()}}


def test_http_is_off_by_default() -> None:
    assert read().admin.http is None


def test_http_is_an_address_or_a_path() -> None:
    assert read(admin=http()).admin.http == InetBind(ip_address("127.0.0.1"), 8404)
    assert read(admin=http("/run/http.sock")).admin.http == UnixBind("/run/http.sock")


@pytest.mark.parametrize("where", ["systemd:http", "127.0.0.1:8404-8406"])
def test_http_takes_no_range_and_no_socket_of_systemd(where: str) -> None:
    assert problem(admin=http(where)) == (
        f'admin.http: is "{where}", needs an address and port such as "127.0.0.1:8404", or the path of a UNIX socket'
    )


def test_the_machine_itself_is_allowed_by_default() -> None:
    assert read(admin=http()).admin.http_allow == LOOPBACK
    assert read(admin=http(allow=["10.0.0.0/8"])).admin.http_allow == (ip_network("10.0.0.0/8"),)


def test_empty_list_of_networks_is_refused() -> None:
    assert problem(admin=http(allow=[])).startswith("admin.http-allow: is an empty list, so nobody could connect")


def test_networks_mean_nothing_on_a_unix_socket() -> None:
    assert problem(admin=http("/run/http.sock", allow=["10.0.0.0/8"])) == (
        "admin.http-allow: has no effect on a UNIX socket; the rights of its file decide"
    )


def test_keys_without_http_have_no_effect() -> None:
    assert problem(admin={"http-tls": "default"}) == (
        'admin.http-tls: has no effect without http; write http = "127.0.0.1:8404"'
    )


def test_token_for_all_needs_a_token() -> None:
    assert problem(admin=http(token_for="all")) == (
        'admin.http-token-for: is "all", and there is no token; write http-token-file = "PATH"'
    )


def test_token_is_beside_the_configuration() -> None:
    admin = read(admin=http(token_file="token")).admin
    assert [(file.key, file.path, file.content) for file in admin.files] == [
        ("admin.http-token-file", "/etc/mailproxy/token", "token")
    ]


def test_tls_profile_has_to_exist() -> None:
    assert problem(admin=http(tls="defualt")) == (
        'admin.http-tls: is "defualt", and there is no [tls.defualt]; did you mean "default"?'
    )


def test_tls_profile_of_http_is_used() -> None:
    changes: dict[str, Any] = {"tls__admin__certificates": ["/etc/ssl/admin.pem"]}
    assert [str(one) for one in remarks(read(**changes))] == ["tls.admin: is not used by any frontend"]
    assert remarks(read(admin=http(tls="admin"), **changes)) == ()


@pytest.mark.parametrize("bind", [LOCAL, "0.0.0.0:8404"])
def test_address_belongs_to_nobody_else(bind: str) -> None:
    assert problem(admin=http(), frontend__imaps__bind=[bind]) == (
        f'admin.http: is "{LOCAL}", which frontend.imaps.bind has too'
    )


def test_address_is_not_that_of_the_admin_socket() -> None:
    assert problem(admin={"socket": "/run/x", "http": "/run/x"}) == (
        'admin.http: is "/run/x", which admin.socket has too'
    )


def test_token_in_plaintext_is_remarked() -> None:
    (remark,) = remarks(read(admin=http("0.0.0.0:8404", token_file="token", allow=["10.0.0.0/8"])))
    assert str(remark) == (
        "admin.http: is 0.0.0.0:8404 without http-tls: the token of http-token-file crosses the network in plaintext"
    )
    assert remarks(read(admin=http(token_file="token"))) == ()
