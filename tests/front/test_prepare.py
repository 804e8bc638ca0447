"""From a configuration to the parts of a front."""

from __future__ import annotations

from typing import Any

import pytest

from mailproxy.backend.backend import Backend
from mailproxy.config import ConfigError
from mailproxy.front.prepare import Prepared, prepare
from tests.config.builders import MISSING, read

SERVERS = {"server": {"d1": {"address": "192.0.2.1:10143"}}}
# What only the rules of the header can tell.
TOO_LONG = SERVERS | {"profile": "exim", "send-proxy": "v2", "proxy-v2-tlvs": {"0xE1": "x" * 202}}


def frontend(protocol: str, **changes: Any) -> dict[str, Any]:
    return {"bind": ["127.0.0.1:0"], "protocol": protocol, "tls": "none", "backend": "dovecot", **changes}


def prepared(**frontends: dict[str, Any]) -> Prepared:
    """Frontends without TLS with one backend."""
    return prepare(read(tls=MISSING, frontend=frontends, backend__dovecot=SERVERS))


def backends(made: Prepared) -> list[Backend]:
    """The backend of each frontend."""
    return [frontend.terms.backend for frontend in made.frontends]


def test_frontends_of_one_backend_and_protocol_share_it() -> None:
    ready = prepared(one=frontend("imap"), two=frontend("imap"))
    first, second = backends(ready)
    assert first is second


def test_protocols_have_pools_of_their_own() -> None:
    """A server's IMAP may be down while its POP3 is up."""
    ready = prepared(one=frontend("imap"), two=frontend("pop3"))
    first, second = backends(ready)
    assert (first.protocol, second.protocol) == ("imap", "pop3")
    assert first.pool is not second.pool


def test_backends_have_pools_of_their_own() -> None:
    frontends = {"one": frontend("imap"), "two": frontend("imap", backend="other")}
    ready = prepare(read(tls=MISSING, frontend=frontends, backend={"dovecot": SERVERS, "other": SERVERS}))
    first, second = backends(ready)
    assert (first.name, second.name) == ("dovecot", "other")


LOGINS_OF_SOURCES = [{"if": {"auth-failures": {"over": "10/10m"}}, "refuse": "close"}]


@pytest.mark.parametrize(
    ("first", "looking"),
    [
        ({}, [False, False, False]),
        ({"log-refused-logins": True}, [True, False, False]),
        ({"limits": {"auth-failures-per-session": 3}}, [True, False, False]),
        ({"rule": LOGINS_OF_SOURCES}, [True, True, False]),  # a rule asks for what sources do at all frontends
    ],
)
def test_frontends_look_for_refused_logins_if_that_is_wanted(first: dict[str, Any], looking: list[bool]) -> None:
    ready = prepared(one=frontend("imap", **first), two=frontend("pop3"), three=frontend("lmtp"))
    assert [frontend.terms.refused_logins is not None for frontend in ready.frontends] == looking


def test_frontends_are_in_the_order_of_the_configuration() -> None:
    ready = prepared(one=frontend("imap"), two=frontend("pop3"), three=frontend("imap"))
    assert [frontend.settings.name for frontend in ready.frontends] == ["one", "two", "three"]


@pytest.mark.parametrize("protocols", [("imap", "imap"), ("imap", "pop3")])
def test_what_is_wrong_with_a_backend_is_reported_once(protocols: tuple[str, str]) -> None:
    first, second = protocols
    frontends = {"one": frontend(first), "two": frontend(second)}
    with pytest.raises(ConfigError) as caught:
        prepare(read(tls=MISSING, frontend=frontends, backend__dovecot=TOO_LONG))
    assert [str(problem) for problem in caught.value.problems] == [
        "backend.dovecot: proxy-v2-tlvs make a header of 233 bytes, exim takes 232"
    ]


def test_what_is_wrong_with_every_backend_is_reported() -> None:
    frontends = {"one": frontend("imap"), "two": frontend("imap", backend="other")}
    with pytest.raises(ConfigError) as caught:
        prepare(read(tls=MISSING, frontend=frontends, backend={"dovecot": TOO_LONG, "other": TOO_LONG}))
    assert [problem.key for problem in caught.value.problems] == ["backend.dovecot", "backend.other"]
