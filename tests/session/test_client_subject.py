"""The facts of a session, as rules see them."""

from __future__ import annotations

from functools import cache

import pytest
from attrs import define, evolve
from cryptography.hazmat.primitives.serialization import Encoding

from mailproxy.announce.addresses import PackedAddress
from mailproxy.proxyprotocol import Address, Header
from mailproxy.rules.unknown import UNKNOWN, Unknown
from mailproxy.session.client_subject import ClientSubject
from mailproxy.tls.client_names import fingerprint
from mailproxy.tls.facts import TlsFacts
from tests.announce.builders import TLS13
from tests.rules.builders import TLS_FIELDS
from tests.tls.issue import issue


@define
class Ruled:
    source: Address | PackedAddress | None = (b"\x0a\1\2\3", 50000)
    destination: Address | PackedAddress | None = (b"\x0a\1\2\4", 993)
    header: Header | None = None


def subject(tls: TlsFacts | Unknown | None) -> ClientSubject:
    return ClientSubject(Ruled(), tls)


@cache
def shown() -> TlsFacts:
    """The TLS of a client whose certificate names it, before it is verified."""
    issued = issue("alice.example.org", common_name="alice").certificate.public_bytes(Encoding.DER)
    return evolve(TLS13, client_certificate=issued, client_common_names=("alice",), verify=18)


def names(client: ClientSubject) -> tuple[object, ...]:
    return client.client_verified, client.client_cn, client.client_san, client.client_issuer


def test_verified_certificate_names_the_client() -> None:
    assert names(subject(evolve(shown(), verify=0))) == (True, ("alice",), ("alice.example.org",), "CN=alice")


def test_other_certificate_names_nobody_and_has_a_fingerprint() -> None:
    client = subject(shown())
    assert names(client) == (False, (), (), None)
    assert client.client_fingerprint == fingerprint(shown().client_certificate or b"")


def test_client_without_a_certificate_has_no_names() -> None:
    client = subject(evolve(TLS13, verify=0))
    assert names(client) == (False, (), (), None)
    assert client.client_fingerprint is None


@pytest.mark.parametrize(("tls", "values"), [(UNKNOWN, {UNKNOWN}), (None, {None, ()})])
def test_facts_of_tls_are_not_known_before_it_and_none_without_tls(tls: Unknown | None, values: set[object]) -> None:
    client = subject(tls)
    assert {getattr(client, name) for name in TLS_FIELDS} == values


def test_version_is_written_as_in_the_configuration() -> None:
    client = subject(TLS13)
    assert (client.tls_version, client.alpn, client.resumed) == ("1.3", "imap", False)
