"""Profiles with names that OpenSSL does not know, or with ciphers without forward secrecy."""

from __future__ import annotations

import pytest

from mailproxy.tls import openssl
from mailproxy.tls.policy import policy_problems, policy_warnings
from tests.config.builders import read


@pytest.mark.parametrize(
    ("key", "value", "unknown", "meant"),
    [
        ("ciphers", "ECDHE+AESGMC:HIGH", "AESGMC", "AESGCM"),
        ("ciphers", "HIGH:!aNUL", "aNUL", "aNULL"),
        ("ciphers", "ECDHE-RSA-AES128-GCM-SHA265", "ECDHE-RSA-AES128-GCM-SHA265", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("ciphers", "HIGH:@SECLEVEL=9", "@SECLEVEL=9", ""),
        ("ciphersuites", "TLS_AES_256_GCM_SHA265", "TLS_AES_256_GCM_SHA265", "TLS_AES_256_GCM_SHA384"),
        ("groups", "X25519:P256", "P256", "P-256"),
        ("groups", "X25519MLKEM786/x25519", "X25519MLKEM786", "X25519MLKEM768"),
        ("groups", "secp256k1000000", "secp256k1000000", "secp256r1"),
        ("signature_algorithms", "rsa_pss_rsae_sha265", "rsa_pss_rsae_sha265", "rsa_pss_rsae_sha256"),
        ("signature_algorithms", "ecdsa_secp256r1_sha512", "ecdsa_secp256r1_sha512", "ecdsa_secp521r1_sha512"),
    ],
)
def test_unknown_name_is_reported_with_the_nearest_right_one(key: str, value: str, unknown: str, meant: str) -> None:
    (problem,) = policy_problems(read(**{f"tls__default__{key}": value}))
    hint = f'; did you mean "{meant}"?' if meant else ""
    assert str(problem) == (
        f'tls.default.{key.replace("_", "-")}: has "{unknown}", which {openssl.VERSION} does not know{hint}'
    )


def test_empty_name_is_reported() -> None:
    (problem,) = policy_problems(read(tls__default__groups="X25519:"))
    assert problem.message == "has an empty name in it"


def test_good_lists_and_none_are_no_problem() -> None:
    assert not [*policy_problems(read()), *policy_warnings(read())]
    good = read(tls__default__ciphers="ECDHE+AESGCM", tls__default__groups="X25519")
    assert not [*policy_problems(good), *policy_warnings(good)]


def test_ciphers_without_forward_secrecy_are_a_warning() -> None:
    assert list(policy_warnings(read(tls__default__ciphers="ECDHE-RSA-AES128-SHA:AES128-SHA"))) == [
        'tls.default.ciphers: has "AES128-SHA" without forward secrecy: the key of the certificate decrypts all '
        "recorded connections"
    ]


def test_long_list_of_weak_ciphers_is_shortened() -> None:
    (warning,) = policy_warnings(read(tls__default__ciphers="kRSA+AES"))
    assert " more without forward secrecy" in warning
