"""The SSL TLV about a client."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.announce.client_tls import received_common_name, ssl_tlv
from mailproxy.announce.left_out import LeftOut
from mailproxy.proxyprotocol import SslClient, SslTlv, SslType, Tlv
from tests.announce.builders import ALICE, TLS13

ALL = frozenset(SslType)


def test_client_without_tls_has_no_flag_and_is_not_verified() -> None:
    ssl, left_out = ssl_tlv(None, ALL, 536)
    assert (ssl.client, ssl.verify, ssl.tlvs, left_out) == (SslClient(0), 1, (), ())


def test_client_on_tls_without_certificate_is_not_verified() -> None:
    ssl, _ = ssl_tlv(evolve(TLS13, verify=0), ALL, 536)
    assert (ssl.client, ssl.verify) == (SslClient.SSL, 1)


def test_certificate_of_this_connection_sets_both_flags() -> None:
    ssl, _ = ssl_tlv(ALICE, ALL, 536)
    assert ssl.client == SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS
    assert ssl.verify == 0


def test_certificate_of_a_resumed_session_sets_the_flag_of_the_session_alone() -> None:
    ssl, _ = ssl_tlv(evolve(ALICE, resumed=True), ALL, 536)
    assert ssl.client == SslClient.SSL | SslClient.CERT_SESS
    assert ssl.common_name == "alice@example.test"


def test_verdict_on_a_certificate_is_reported() -> None:
    ssl, _ = ssl_tlv(evolve(ALICE, verify=18), ALL, 536)
    assert ssl.verify == 18


def test_fields_have_haproxys_order_and_the_newer_ones_follow() -> None:
    ssl, _ = ssl_tlv(ALICE, ALL, 536)
    assert [SslType(tlv.type).name for tlv in ssl.tlvs] == [
        "VERSION",
        "CN",
        "KEY_ALG",
        "SIG_ALG",
        "CIPHER",
        "GROUP",
        "CLIENT_CERT",
    ]


def test_values_are_those_of_the_facts() -> None:
    ssl, left_out = ssl_tlv(ALICE, ALL, 536)
    assert (ssl.version, ssl.cipher, ssl.group) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384", "x25519")
    assert (ssl.key_alg, ssl.sig_alg, ssl.client_cert) == ("RSA2048", "RSA-SHA256", ALICE.client_certificate)
    assert left_out == ()


def test_only_version_is_reported_unasked() -> None:
    ssl, left_out = ssl_tlv(ALICE, (), 536)
    assert [tlv.type for tlv in ssl.tlvs] == [SslType.VERSION]
    assert left_out == ()


def test_what_is_not_known_is_not_reported() -> None:
    facts = evolve(TLS13, group=None, certificate_key_alg=None, certificate_sig_alg=None)
    ssl, left_out = ssl_tlv(facts, ALL, 536)
    assert [tlv.type for tlv in ssl.tlvs] == [SslType.VERSION, SslType.CIPHER]
    assert left_out == ()


def test_common_name_is_utf8() -> None:
    ssl, _ = ssl_tlv(evolve(ALICE, client_common_names=("Zoë Ünïcode",)), ALL, 536)
    assert ssl.first(SslType.CN) == "Zoë Ünïcode".encode()


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("alice\0evil",), "it has unprintable characters"),
        (("alice\nbob",), "it has unprintable characters"),
        (("alice\x7f",), "it has unprintable characters"),
        (("alice\x9b1m",), "it has unprintable characters"),
        (("alice\u2028bob",), "it has unprintable characters"),
        (("alice\u202eecila",), "it has unprintable characters"),
        (("ali\u200bce",), "it has unprintable characters"),
        (("\ufeffalice",), "it has unprintable characters"),
        (("alice\u2066",), "it has unprintable characters"),
        (("alice\xa0",), "it has unprintable characters"),
        (("alice\udc80",), "it has unprintable characters"),
        (("alice", "bob"), "the certificate has 2 of them"),
    ],
)
def test_unsafe_common_name_is_left_out(names: tuple[str, ...], reason: str) -> None:
    ssl, left_out = ssl_tlv(evolve(ALICE, client_common_names=names), ALL, 536)
    assert ssl.common_name is None
    assert left_out == (LeftOut("SSL_CN", reason),)


def test_certificate_without_common_name_is_nothing_to_report() -> None:
    ssl, left_out = ssl_tlv(evolve(ALICE, client_common_names=()), ALL, 536)
    assert ssl.common_name is None
    assert left_out == ()


def test_unverified_common_name_is_left_out() -> None:
    ssl, left_out = ssl_tlv(evolve(ALICE, verify=18), {SslType.CN}, 536)
    assert ssl.common_name is None
    assert left_out == (LeftOut("SSL_CN", "the certificate is not verified (verify 18)"),)


def test_field_larger_than_any_header_is_left_out() -> None:
    ssl, left_out = ssl_tlv(evolve(ALICE, client_certificate=bytes(70_000)), ALL, 1500)
    assert ssl.client_cert is None
    assert left_out == (LeftOut("SSL_CLIENT_CERT", "header limit 1500", 70003, has_no_room=True),)


@given(
    certificate=st.none() | st.binary(min_size=1, max_size=8),
    names=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    verify=st.sampled_from([0, 1, 18, 19, 20, 0xFFFFFFFF]),
    resumed=st.booleans(),
)
def test_identity_is_reported_only_if_verified(
    certificate: bytes | None, names: tuple[str, ...], verify: int, resumed: bool
) -> None:
    facts = evolve(TLS13, client_certificate=certificate, client_common_names=names, verify=verify, resumed=resumed)
    ssl, _ = ssl_tlv(facts, ALL, 536)
    if ssl.common_name is not None or ssl.client_cert is not None or ssl.verify == 0:
        assert certificate is not None
        assert verify == 0
        assert ssl.has_verified_certificate


CERTIFIED = SslClient.SSL | SslClient.CERT_CONN | SslClient.CERT_SESS


def received(*names: bytes, client: SslClient = CERTIFIED, verify: int = 0) -> tuple[str, str]:
    return received_common_name(SslTlv(client, verify, tuple(Tlv(SslType.CN, name) for name in names)))


def test_received_common_name_is_text() -> None:
    assert received("Zoë Ünïcode, Dr.".encode()) == ("Zoë Ünïcode, Dr.", "")


def test_received_tlv_without_common_name_is_nothing_to_report() -> None:
    assert received() == ("", "")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((b"alice\0evil",), "it has unprintable characters"),
        ((b"alice\nbob",), "it has unprintable characters"),
        (("alice\u202e".encode(),), "it has unprintable characters"),
        ((b"Zo\xeb",), "it is not UTF-8"),
        ((b"alice", b"bob"), "the certificate has 2 of them"),
    ],
)
def test_unsafe_received_common_name_is_left_out(names: tuple[bytes, ...], reason: str) -> None:
    assert received(*names) == ("", reason)


def test_unverified_received_common_name_is_left_out() -> None:
    assert received(b"alice", verify=18) == ("", "the certificate is not verified (verify 18)")


def test_received_common_name_without_a_certificate_is_left_out() -> None:
    assert received(b"alice", client=SslClient.SSL) == ("", "there is no certificate")
