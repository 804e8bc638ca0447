"""Why certificates are refused, in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL.SSL import X509VerificationCodes as Verdict

from mailproxy.tls.refusal import chain_problem, check_name, name_problem
from tests.tls.issue import NOW, Issued, issue

CA = "/etc/ssl/ca.pem"


def der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


# Names.


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["imap.example.org"], "imap.example.org"),
        (["imap.example.org"], "IMAP.Example.ORG"),
        (["a.example.org", "imap.example.org"], "imap.example.org"),
        (["*.example.org"], "imap.example.org"),
        (["10.41.1.131"], "10.41.1.131"),
        (["2001:db8::1"], "2001:db8:0::1"),
        (["imap.example.org", "::1"], "::1"),
    ],
)
def test_certificate_is_for_its_names(names: list[str], wanted: str) -> None:
    assert name_problem(der(issue(*names)), wanted) == ""


@pytest.mark.parametrize(
    ("names", "wanted", "problem"),
    [
        (["a.example.org"], "b.example.org", "certificate is for a.example.org, not for b.example.org"),
        (["a.org", "10.0.0.1"], "10.0.0.2", "certificate is for a.org, 10.0.0.1, not for 10.0.0.2"),
        (["*.example.org"], "a.b.example.org", "certificate is for *.example.org, not for a.b.example.org"),
        (["imap.example.org"], "10.0.0.1", "certificate is for imap.example.org, not for 10.0.0.1"),
        (["10.0.0.1"], "imap.example.org", "certificate is for 10.0.0.1, not for imap.example.org"),
        (
            [f"{n}.org" for n in range(7)],
            "x.org",
            "certificate is for 0.org, 1.org, 2.org, 3.org, 4.org, 2 more, not for x.org",
        ),
    ],
)
def test_certificate_is_for_nobody_else(names: list[str], wanted: str, problem: str) -> None:
    assert name_problem(der(issue(*names)), wanted) == problem


def test_common_name_does_not_count() -> None:
    problem = name_problem(der(issue(common_name="imap.example.org")), "imap.example.org")
    assert problem == "certificate has no subjectAltName, needs one for imap.example.org"


def test_name_that_would_forge_a_log_line_is_escaped() -> None:
    problem = name_problem(der(issue("a.example.org\nsession 1 is good")), "b.example.org")
    assert "\n" not in problem


def test_long_name_is_cut() -> None:
    assert len(name_problem(der(issue("a" * 5000)), "b.example.org")) < 200


def test_what_is_no_certificate_is_refused() -> None:
    assert name_problem(b"\x30\x03\x02\x01\x01", "imap.example.org").startswith("certificate cannot be read: ")


@pytest.mark.parametrize("name", ["imap.example.org", "10.0.0.1", "::1", "localhost", "mail_1.example.org"])
def test_name_can_be_verified(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["imap example org", "a\nb", "*.example.org/"])
def test_name_that_no_certificate_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is neither a host name nor an IP address"):
        check_name(name)


# Chains.

ROOT = issue(common_name="Root", authority=True)
LEAF = issue("imap.example.org", issuer=ROOT)


def problem(verdict: int, *chain: Issued) -> str:
    return chain_problem(verdict, [der(issued) for issued in chain], CA, NOW)


def test_expired_certificate_is_reported_with_its_time() -> None:
    expired = issue("imap.example.org", issuer=ROOT, days=-3)
    end = expired.certificate.not_valid_after_utc
    assert problem(Verdict.ERR_CERT_HAS_EXPIRED, expired) == f"certificate expired on {end:%Y-%m-%d at %H:%M} UTC"


def test_expired_issuer_is_reported_with_its_name_and_time() -> None:
    expired = issue(common_name="Old CA", authority=True, days=-3)
    end = expired.certificate.not_valid_after_utc
    assert (
        problem(Verdict.ERR_CERT_HAS_EXPIRED, LEAF, expired)
        == f"its issuer's certificate, CN=Old CA, expired on {end:%Y-%m-%d at %H:%M} UTC"
    )


def test_expired_authority_that_was_not_sent_is_reported_by_openssl() -> None:
    assert problem(Verdict.ERR_CERT_HAS_EXPIRED, LEAF) == "certificate is not acceptable: certificate has expired"


def test_early_certificate_is_reported_with_its_time() -> None:
    early = issue("imap.example.org", issuer=ROOT, since=3)
    begin = early.certificate.not_valid_before_utc
    assert begin > NOW + timedelta(days=2)
    assert (
        problem(Verdict.ERR_CERT_NOT_YET_VALID, early)
        == f"certificate is not valid before {begin:%Y-%m-%d at %H:%M} UTC"
    )


def test_self_signed_certificate_is_reported() -> None:
    own = issue("imap.example.org")
    assert problem(Verdict.ERR_DEPTH_ZERO_SELF_SIGNED_CERT, own) == f"certificate is self-signed, and not in {CA}"


@pytest.mark.parametrize(
    ("verdict", "chain"),
    [
        (Verdict.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, (LEAF,)),
        (Verdict.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, (LEAF,)),
        (Verdict.ERR_SELF_SIGNED_CERT_IN_CHAIN, (LEAF, ROOT)),
    ],
)
def test_unknown_authority_is_reported_with_its_name(verdict: int, chain: tuple[Issued, ...]) -> None:
    assert problem(verdict, *chain) == f"certificate comes from CN=Root, which is not in {CA}"


def test_authority_without_a_name_is_reported() -> None:
    leaf = issue("imap.example.org", issuer=issue(authority=True))
    assert (
        problem(Verdict.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, leaf)
        == f"certificate comes from an issuer without a name, which is not in {CA}"
    )


def test_any_other_verdict_is_reported_in_openssl_s_words() -> None:
    assert problem(Verdict.ERR_CERT_REVOKED, LEAF) == "certificate is not acceptable: certificate revoked"


def test_verdict_without_certificates_is_reported_in_openssl_s_words() -> None:
    assert problem(Verdict.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY).startswith("certificate is not acceptable: ")


def test_chain_that_cannot_be_read_is_reported() -> None:
    assert chain_problem(1, [b"nonsense"], CA, NOW).startswith("certificate cannot be read: ")


def test_name_of_an_authority_is_escaped() -> None:
    forger = issue(common_name="x\nsession 1 is good", authority=True)
    leaf = issue("imap.example.org", issuer=forger)
    assert "\n" not in problem(Verdict.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, leaf)
