from copy import deepcopy

import pytest

from tests.config.builders import MISSING, minimal, problem, problems, read

POP3 = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot"}


def test_configuration_without_a_frontend_is_refused() -> None:
    assert problem(frontend=MISSING).startswith("frontend: is missing: write [frontend.NAME]")


def test_unknown_backend_names_the_nearest() -> None:
    assert problem(frontend__imaps__backend="dovcot") == (
        'frontend.imaps.backend: is "dovcot", and there is no [backend.dovcot]; did you mean "dovecot"?'
    )


def test_unknown_backend_without_a_near_name_gets_no_suggestion() -> None:
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
def test_what_follows_from_a_problem_is_not_reported(changes: dict[str, object]) -> None:
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


def test_one_frontend_cannot_listen_twice_in_one_place() -> None:
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
def test_different_places_do_not_collide(first: str, second: str) -> None:
    assert len(read(frontend__imaps__bind=[first, second]).frontends[0].bind) == 2


def test_names_with_a_dot_are_quoted_in_paths() -> None:
    values = minimal()["frontend"]
    values["imaps.v4"] = deepcopy(values.pop("imaps")) | {"backend": "none.such"}
    assert problem(frontend=values) == (
        'frontend."imaps.v4".backend: is "none.such", and there is no [backend."none.such"]'
    )


def test_group_needs_a_user() -> None:
    assert problem(group="mailproxy") == 'group: is "mailproxy", and there is no user; write user = "NAME" as well'
    assert read(user="mailproxy", group="mail").group == "mail"
