"""Names that OpenSSL knows, and the choice of a profile that says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailproxy.tls.algorithms import (
    DEFAULT_CIPHERSUITES,
    check_ciphers,
    check_ciphersuites,
    check_groups,
    check_signatures,
    cipher_names,
    default_ciphers,
    default_groups,
    default_signatures,
)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (check_ciphers, default_ciphers(cbc=True)),
        (check_ciphers, "ECDHE+AESGCM:ECDHE+CHACHA20"),
        (check_ciphers, "HIGH:!aNULL:!RC4:-PSK:+SHA1:@STRENGTH:@SECLEVEL=1"),
        (check_ciphers, "DEFAULT, AES128-SHA;AES256-SHA"),
        (check_ciphers, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (check_ciphersuites, DEFAULT_CIPHERSUITES),
        (check_ciphersuites, "TLS_AES_128_CCM_SHA256"),
        (check_groups, default_groups()),
        (check_groups, "*X25519MLKEM768/*x25519:secp256r1:?of-tomorrow"),
        (check_signatures, default_signatures()),
        (check_signatures, "ECDSA+SHA256:rsa_pkcs1_sha1:?of_tomorrow"),
    ],
)
def test_known_names_pass(check: Callable[[str], None], value: str) -> None:
    check(value)


def test_default_ciphers_have_forward_secrecy() -> None:
    assert all(name.startswith("ECDHE-") for name in cipher_names(default_ciphers(cbc=True)))


def test_cbc_comes_last_or_not_at_all() -> None:
    """What has no GCM and no ChaCha20 in its name is CBC."""
    with_cbc, without = cipher_names(default_ciphers(cbc=True)), cipher_names(default_ciphers(cbc=False))
    assert all("GCM" in name or "CHACHA20" in name for name in without)
    assert with_cbc[: len(without)] == without
    assert len(with_cbc) == len(without) + 8


def test_hybrid_group_comes_first() -> None:
    assert default_groups().startswith("X25519MLKEM768:X25519:")


def test_weak_digests_are_not_signed() -> None:
    assert "sha1" not in default_signatures()
    assert "sha224" not in default_signatures()
