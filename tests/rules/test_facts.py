"""Facts that an admin states."""

from __future__ import annotations

import shlex
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.networks.network_list import NetworkLists
from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.facts import BadFacts, read_facts
from mailproxy.rules.stated import StatedClient, StatedSurroundings
from mailproxy.rules.unknown import UNKNOWN
from mailproxy.session.line import as_line, escaped
from tests.config.builders import read
from tests.rules.builders import TLS_FIELDS

NOW = 7


def facts(words: str, **frontend: Any) -> tuple[StatedClient, StatedSurroundings]:
    settings = read(**{f"frontend__imaps__{key}": value for key, value in frontend.items()})
    return read_facts(words, settings, settings.frontends[0], NetworkLists(), NOW)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("source=192.0.2.1", "source", ip_address("192.0.2.1").packed),
        ("source=unix", "source", None),
        ("destination=2001:db8::1", "destination", ip_address("2001:db8::1").packed),
        ("port=993", "port", 993),
        ("sni=a.example.org", "sni", "a.example.org"),
        ("tls-version=1.2", "tls_version", "1.2"),
        ("tls-version=TLSv1.3", "tls_version", "1.3"),
        (f"client-fingerprint={':'.join(32 * ['AB'])}", "client_fingerprint", 32 * "ab"),
        ("client-cn=alice client-cn=bob", "client_cn", ("alice", "bob")),
        (r"'client-cn=Doe\, John'", "client_cn", ("Doe, John",)),
        (r'client-cn="Doe\\, John"', "client_cn", ("Doe, John",)),
        (r"'client-cn=OFFICE\\john'", "client_cn", (r"OFFICE\john",)),
        (r"'client-san=https://a.example.org/?a\,b' client-san=", "client_san", ("https://a.example.org/?a,b",)),
        ("client-cn=", "client_cn", ()),
        ("source=", "source", None),
        ("destination=", "destination", None),
        ("port=", "port", None),
        ("sni=", "sni", None),
        ("group=", "group", None),
        ("client-fingerprint=", "client_fingerprint", None),
        ("client-verified=", "client_verified", False),
        ("resumed=", "resumed", False),
        ("client-verified=yes", "client_verified", True),
        ("resumed=no", "resumed", False),
        ("'client-issuer=CN=My CA'", "client_issuer", "CN=My CA"),
    ],
)
def test_stated_fact_is_one_of_the_client(words: str, name: str, value: object) -> None:
    client, _ = facts(words)
    assert getattr(client, name) == value


def test_what_is_not_stated_is_not_known() -> None:
    client, around = facts("", accept_proxy=["10.0.0.0/8"])
    assert client == StatedClient()
    assert (around.is_banned, around.servers_up("x")(), around.minute()) == (UNKNOWN, UNKNOWN, NOW)


def test_client_without_a_header_has_no_tlvs() -> None:
    assert facts("")[0].tlvs == ()


@pytest.mark.parametrize(
    ("words", "tlv"),
    [
        ("tlv.azure=4242", Tlv(0xEE, b"\x01\x92\x10\x00\x00")),
        ("tlv.aws=vpce-1", Tlv(0xEA, b"\x01vpce-1")),
        ("tlv.gcp=5", Tlv(0xE0, bytes(7) + b"\x05")),
        ("tlv.0xE5=blue", Tlv(0xE5, b"blue")),
        ("tlv.0xE5=hex:00ff", Tlv(0xE5, b"\x00\xff")),
        ("tlv.0xE5=hex:", Tlv(0xE5, b"")),
        ("tlv.aws=hex:", Tlv(0xEA, b"")),
        ("tlv.azure=hex:", Tlv(0xEE, b"")),
        ("tlv.gcp=hex:00", Tlv(0xE0, b"\x00")),
    ],
)
def test_tlv_is_stated_as_conditions_see_it(words: str, tlv: Tlv) -> None:
    assert facts(words)[0].tlvs == (tlv,)


def test_tlv_without_a_value_is_not_in_the_header() -> None:
    assert facts("tlv.aws=", accept_proxy=["10.0.0.0/8"])[0].tlvs == ()
    assert facts("tlv.aws= tlv.0xE5=blue")[0].tlvs == (Tlv(0xE5, b"blue"),)


@pytest.mark.parametrize(
    ("words", "frontend"),
    [
        ("tls=no", {}),
        ("", {"tls": "none"}),
        ("tls=", {}),
        ("tls-version=", {}),
        ("cipher=", {}),
        ("client-verified= tls-version= resumed=no", {}),
        ("client-verified=", {"tls": "none"}),
    ],
)
def test_client_without_tls_has_no_facts_of_tls(words: str, frontend: dict[str, str]) -> None:
    client, _ = facts(words, **frontend)
    assert {getattr(client, name) for name in TLS_FIELDS} == {None, ()}


def test_surroundings_are_stated() -> None:
    _, around = facts(
        "servers-up.dovecot=0 sessions.imaps=5 sessions.dovecot=6 source-rate=30 banned=yes time='Tue 09:30'"
    )
    assert around.servers_up("dovecot")() == 0
    assert (around.frontend_sessions("imaps")(), around.backend_sessions("dovecot")()) == (5, 6)
    _, nothing = facts("servers-up.dovecot= sessions.imaps= source-rate= banned=")
    assert (nothing.numbers, nothing.counts) == ({"servers-up.dovecot": 0, "sessions.imaps": 0}, {"source-rate": 0.0})
    assert nothing.is_banned is False
    assert (around.counts, around.is_banned, around.minute()) == ({"source-rate": 30.0}, True, (24 + 9) * 60 + 30)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("sorce=1", "sorce: is no fact; did you mean source?"),
        ("quux=1", 'quux: is no fact; facts are "source", '),
        ("source", '"source" is no fact; write NAME=VALUE, such as source=192.0.2.1'),
        ("source='", "cannot be read: No closing quotation"),
        ("source=10.0.0.0/8", 'source: is "10.0.0.0/8", needs an address, or "unix"'),
        ("servers-up.dovcot=1", 'servers-up.dovcot: there is no backend "dovcot"; did you mean servers-up.dovecot?'),
        ("servers-up.imaps=1", 'servers-up.imaps: there is no backend "imaps"; there are "dovecot"'),
        ("sessions.imap=4", 'sessions.imap: there is no frontend or backend "imap"; did you mean sessions.imaps?'),
        ("sessions.=4", 'sessions.: there is no frontend or backend ""; there are "imaps"'),
        ("port=imaps", 'port: is "imaps", needs a whole number'),
        ("port=65536", "port: is 65536, needs a whole number from 1 to 65535"),
        ("tls-version=1.1", 'tls-version: is "1.1", needs one of "1.2", "1.3"'),
        ("client-fingerprint=ab", 'client-fingerprint: is "ab", needs a SHA-256 fingerprint'),
        ("client-cn=alice,bob", 'client-cn: is "alice,bob", needs a backslash before each comma and backslash'),
        (r"client-cn=Doe\,John", 'client-cn: is "Doe,John", needs a backslash'),
        (r"'client-cn=OFFICE\john'", "write client-cn=NAME again for another name"),
        (r"'client-san=a\'", "client-san: is"),
        ("resumed=perhaps", 'resumed: is "perhaps", needs yes or no'),
        ("tls=yes", "tls: is only for tls=no; state a fact of TLS"),
        ("time=", "time: is \"\", needs a day and a time such as 'Mon 09:30'"),
        ("time=now", "time: is \"now\", needs a day and a time such as 'Mon 09:30'"),
        ("time='Mon-Fri 09:30'", 'time: is "Mon-Fri 09:30", needs one day'),
        ("tlv.azur=1", 'tlv.azur: is "azur", which is not a TLV; did you mean "azure"?'),
        ("tlv.azure=99999999999", 'tlv.azure: is "99999999999", which is too large'),
    ],
)
def test_unknown_facts_and_wrong_values_are_refused(words: str, problem: str) -> None:
    with pytest.raises(BadFacts) as caught:
        facts(words)
    assert problem in str(caught.value)


@given(st.lists(st.text(min_size=1), max_size=3))
def test_names_as_the_log_writes_them_are_understood(names: list[str]) -> None:
    client, _ = facts(shlex.join([f"client-cn={escaped(name)}" for name in names] or ["client-cn="]))
    assert client.client_cn == tuple(names)


@given(st.text(min_size=1))
def test_name_in_quotes_of_the_log_is_understood_or_refused(name: str) -> None:
    try:
        client, _ = facts(as_line({"client-cn": escaped(name)}))
    except BadFacts:
        assert not name.isascii() or not name.isprintable()
    else:
        assert client.client_cn == (name,)
