"""Which check is made of which settings, and what cannot be made into one."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from mailproxy import config
from mailproxy.checks.check import ConnectionCheck
from mailproxy.checks.factory import check_target
from mailproxy.checks.http import HttpCheck
from mailproxy.checks.outcome import Outcome
from mailproxy.config.check import CheckType
from mailproxy.transport.outgoing import Target
from tests.checks.bench import Bench
from tests.checks.making import checking, made


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("tcp", ConnectionCheck),
        ("agent", ConnectionCheck),
        ("mail", ConnectionCheck),
        ("login", ConnectionCheck),
        ("http", HttpCheck),
    ],
)
def test_each_type_has_its_check(bench: Bench, password: str, kind: CheckType, check: type[object]) -> None:
    settings = checking(kind, user="alice", password_file=password, url="http://127.0.0.1/")
    assert type(made(bench, settings)) is check


@pytest.mark.parametrize("changes", [{"port": 143}, {"address": ip_address("192.0.2.2")}, {"tls": False}])
def test_check_at_another_place_is_wrapped(bench: Bench, changes: dict[str, Any]) -> None:
    assert type(made(bench, checking("mail", **changes))) is not ConnectionCheck


INET = Target(socket.AF_INET, ("192.0.2.1", 143))
UNIX = Target(socket.AF_UNIX, "/run/dovecot/imap")


@pytest.mark.parametrize(
    ("target", "settings", "where"),
    [
        (INET, {}, INET.address),
        (INET, {"port": 10143}, ("192.0.2.1", 10143)),
        (INET, {"address": IPv4Address("192.0.2.2")}, ("192.0.2.2", 143)),
        (INET, {"address": IPv6Address("::1")}, ("::1", 143)),
        (UNIX, {}, UNIX.address),
        (UNIX, {"address": IPv4Address("192.0.2.2"), "port": 5}, ("192.0.2.2", 5)),
    ],
)
def test_check_goes_to_its_own_address(target: Target, settings: dict[str, Any], where: Any) -> None:
    checked = check_target(target, checking("mail", **settings))
    assert checked.address == where
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    assert checked.family == family


def test_wrapped_check_connects_to_its_own_place(bench: Bench) -> None:
    host, port = bench.address
    check = made(bench, checking("mail", address=ip_address(host), port=port))
    outcomes: list[Outcome] = []
    check.begin(Target(socket.AF_UNIX, "/nowhere"), outcomes.append)
    bench.accept(b"* BYE\r\n")
    bench.until(lambda: outcomes)
    assert outcomes[0].reason == "greeting: expected * OK, got * BYE"


def test_unix_socket_has_no_port_to_be_checked_at() -> None:
    with pytest.raises(ValueError, match="needs both a port and an address of its own"):
        check_target(UNIX, checking("mail", port=5))


def test_check_leaves_tls_out_if_that_is_configured() -> None:
    tls: Any = object()
    target = evolve(INET, tls=tls)
    assert check_target(target, checking("mail", tls=False)).tls is None
    assert check_target(target, checking("mail", tls=True)).tls is tls


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (lambda file: checking("none"), 'there is no check of type "none"'),
        (lambda file: checking("login"), "needs user and password-file"),
        (lambda file: checking("login", user="x\n", password_file=file), "the user has a control character in it"),
        (lambda file: checking("login", user="x", password_file=file, mailbox="Entwürfe"), "IMAP's modified UTF-7"),
        (lambda file: checking("http"), "needs a url"),
        (lambda file: checking("login", user="x", password_file="/nothing"), "/nothing: cannot be read: No such file"),
    ],
)
def test_check_that_cannot_work_is_refused(
    bench: Bench, password: str, settings: Callable[[str], config.Check], error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        made(bench, settings(password))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"s3cret" * 1000, "has more than 4096 bytes"),
        (b"s3cret\xff", "is not UTF-8"),
        (b"s3cr\0et", "control character"),
    ],
)
def test_file_that_is_no_secret_is_refused_and_not_reported(
    bench: Bench, password: str, content: bytes, error: str
) -> None:
    Path(password).write_bytes(content)
    with pytest.raises(ValueError, match=error) as raised:
        made(bench, checking("login", user="x", password_file=password))
    assert "s3cr" not in str(raised.value)


def test_authorization_is_ascii(bench: Bench, password: str) -> None:
    Path(password).write_text("Bearer ä")
    with pytest.raises(ValueError, match="is not ASCII"):
        made(bench, checking("http", url="http://a/", authorization_file=password))
