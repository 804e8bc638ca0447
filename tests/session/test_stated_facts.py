"""A client whose facts are stated gets the decision that the service makes for the client itself."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address
from typing import Any

from attrs import define, evolve
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.networks.network_list import NetworkLists
from mailproxy.proxyprotocol import Header, Tlv
from mailproxy.rules.decision import Decision, Pending
from mailproxy.rules.explanation import missing
from mailproxy.rules.facts import read_facts
from mailproxy.rules.rules import Rules
from mailproxy.rules.stated import StatedClient
from mailproxy.rules.tlv_text import tlv_text
from mailproxy.rules.unknown import UNKNOWN
from mailproxy.session.client_subject import ClientSubject
from mailproxy.session.line import escaped
from mailproxy.tls.client_names import fingerprint
from mailproxy.tls.facts import TlsFacts
from tests.announce.builders import TLS13
from tests.config.builders import read
from tests.rules.builders import Around
from tests.tls.issue import issue

COMMON_NAMES = ("Doe, John", r"OFFICE\john", "alice")


@cache
def certificate(common_name: str) -> bytes:
    return issue("alice.example.org", common_name=common_name).certificate.public_bytes(Encoding.DER)


CONDITIONS: list[dict[str, Any]] = [
    {"source": "10.0.0.0/8"},
    {"source": "unix"},
    {"destination": "unix"},
    {"port": 993},
    {"sni": "*"},
    {"sni": "mail.example.org"},
    {"alpn": "*"},
    {"tls-version": ["1.2", "1.3"]},
    {"tls-version": "1.3"},
    {"cipher": "*"},
    {"group": "*"},
    {"resumed": False},
    {"resumed": True},
    {"client-verified": False},
    {"client-verified": True},
    *({"client-cn": name} for name in (*COMMON_NAMES, "Doe", "*")),
    {"client-san": "*"},
    {"client-issuer": "*"},
    {"client-fingerprint": fingerprint(certificate("alice"))},
    {"tlv": {"aws": "*"}},
    {"tlv": {"aws": "~^$"}},
    {"tlv": {"aws": "vpce-1"}},
    {"tlv": {"azure": "4242"}},
    {"tlv": {"gcp": "*"}},
    {"tlv": {"0xE5": ["hex:00ff", "blue"]}},
    {"tlv": {"0xE5": "~^$"}},
]


@define
class Arrived:
    """A session, as far as rules ask about its client."""

    source: Any
    destination: Any
    header: Header | None


HOSTS = st.sampled_from([ip_address("10.1.2.3").packed, ip_address("192.0.2.1").packed, ip_address("::1").packed])
PLACES = st.none() | st.tuples(HOSTS, st.sampled_from([143, 993]))
TLVS = st.sampled_from(
    [
        Tlv(0xEA, b"\x01vpce-1"),
        Tlv(0xEA, b""),
        Tlv(0xEE, b"\x01\x92\x10\x00\x00"),
        Tlv(0xEE, b""),
        Tlv(0xE0, bytes(7) + b"\x05"),
        Tlv(0xE5, b""),
        Tlv(0xE5, b"blue"),
        Tlv(0xE5, b"\x00\xff"),
    ]
)
SESSIONS = st.builds(
    Arrived, PLACES, PLACES, st.none() | st.lists(TLVS, max_size=3).map(lambda tlvs: Header(tlvs=tuple(tlvs)))
)


@st.composite
def tls_facts(draw: st.DrawFn) -> TlsFacts:
    name = draw(st.none() | st.sampled_from(COMMON_NAMES))
    return evolve(
        TLS13,
        version=draw(st.sampled_from(["TLSv1.2", "TLSv1.3"])),
        group=draw(st.sampled_from([None, "x25519"])),
        server_name=draw(st.sampled_from([None, "mail.example.org", "Mail.Example.Org.", "other"])),
        alpn=draw(st.sampled_from([None, b"imap"])),
        resumed=draw(st.booleans()),
        client_certificate=None if name is None else certificate(name),
        client_common_names=() if name is None else (name,),
        verify=1 if name is None else draw(st.sampled_from([0, 18])),
    )


CONDITION = st.sampled_from(CONDITIONS).flatmap(lambda one: st.sampled_from([one, {"not": one}]))


def ruled(conditions: list[dict[str, Any]]) -> Any:
    """A configuration with a rule for each condition, which adds a TLV, and one for the first two together."""
    tables = [{"tlv": {"type": 0xE1 + number, "value": "x"}, "if": one} for number, one in enumerate(conditions)]
    both = {"if": {"all": conditions[:2]}, "refuse": "close"}
    return read(
        frontend__imaps__rule=[*tables, both],
        frontend__imaps__accept_proxy=["10.0.0.0/8"],
        tls__default__client_certificates="optional",
        tls__default__client_ca="/clients.pem",
    )


def stated(client: ClientSubject) -> Iterator[str]:
    """Each fact of a client, in the words of an admin."""
    for name in ("source", "destination"):
        host = getattr(client, name)
        yield f"{name}={'' if host is None else ip_address(host)}"
    for field in ("port", "sni", "alpn", "tls_version", "cipher", "group", "client_issuer", "client_fingerprint"):
        value = getattr(client, field)
        yield f"{field.replace('_', '-')}={'' if value is None else value}"
    for field in ("client_cn", "client_san"):
        names = getattr(client, field)
        yield from (f"{field.replace('_', '-')}={escaped(name)}" for name in names or ("",))
    for field in ("resumed", "client_verified"):
        yield f"{field.replace('_', '-')}={'yes' if getattr(client, field) else ''}"
    there = {tlv.type for tlv in client.tlvs}
    yield from (f"tlv.{tlv.type}={tlv_text(tlv) or 'hex:'}" for tlv in client.tlvs)
    yield from (f"tlv.{type}=" for type in (0xEA, 0xEE, 0xE0, 0xE5) if type not in there)


def explained(settings: Any, words: str) -> tuple[Decision | Pending, tuple[str, ...]]:
    """The decision about a client whose facts are stated, and the facts that are missing."""
    client, around = read_facts(words, settings, settings.frontends[0], NetworkLists(), 0)
    rules = Rules(settings.frontends[0].rules, around)
    return rules.decide(client), missing(rules, client)


def served(settings: Any, session: Arrived, tls: TlsFacts | None) -> Decision | Pending:
    """The decision of the service, which may have to wait for TLS."""
    rules = Rules(settings.frontends[0].rules, Around())
    before = rules.decide(ClientSubject(session, UNKNOWN))
    return rules.decide(ClientSubject(session, tls), before) if isinstance(before, Pending) else before


@given(st.lists(CONDITION, min_size=2, max_size=6), SESSIONS, st.none() | tls_facts())
def test_stated_client_gets_the_decision_of_the_service(
    conditions: list[dict[str, Any]], session: Arrived, tls: TlsFacts | None
) -> None:
    settings = ruled(conditions)
    words = shlex.join(stated(ClientSubject(session, tls)))
    assert explained(settings, words) == (served(settings, session, tls), ())


@given(st.lists(CONDITION, min_size=2, max_size=6), st.booleans())
def test_missing_facts_to_be_copied_are_a_client_that_has_none(conditions: list[dict[str, Any]], has_tls: bool) -> None:
    settings = ruled(conditions)
    names = missing(Rules(settings.frontends[0].rules, Around()), StatedClient())
    tls = None
    words = " ".join(f"{name}=" for name in names)
    if has_tls:
        tls = evolve(TLS13, server_name=None, alpn=None, group=None)
        words = f"{words} tls-version=1.3 cipher={tls.cipher}"
    elif not {"tls-version", "cipher"} & {*names}:
        words = f"{words} tls=no"
    decided, left = explained(settings, words)
    assert (decided, left) == (served(settings, Arrived(None, None, None), tls), ())
