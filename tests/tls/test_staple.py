"""Which OCSP responses are sent with a certificate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from mailproxy.tls.staple import Staple, UnusableStaple, read_staple
from tests.tls.issue import NOW, Issued, ec_key, issue, rsa_key
from tests.tls.staples import staple

AUTHORITY = issue(common_name="authority", authority=True)
MAIL = issue("mail.example.org", issuer=AUTHORITY)


def read(encoded: bytes, issuer: Issued | None = AUTHORITY) -> Staple:
    return read_staple(encoded, MAIL.certificate, None if issuer is None else issuer.certificate, NOW)


def problem(encoded: bytes) -> str:
    with pytest.raises(UnusableStaple) as caught:
        read(encoded)
    return str(caught.value)


def responder(*usages: x509.ObjectIdentifier) -> Issued:
    """A certificate for a responder of the authority."""
    key = ec_key()
    plain = issue(common_name="responder", key=key, issuer=AUTHORITY).certificate
    builder = x509.CertificateBuilder(
        plain.issuer, plain.subject, key.public_key(), 7, plain.not_valid_before_utc, plain.not_valid_after_utc
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
    return Issued(builder.sign(AUTHORITY.key, SHA256()), key)


def test_good_response_is_taken() -> None:
    found = read(staple(MAIL, AUTHORITY))
    assert (found.this_update, found.next_update) == (NOW - timedelta(days=1), NOW + timedelta(days=3))


def test_response_of_an_authority_with_an_rsa_key_is_taken() -> None:
    authority = issue(common_name="rsa", key=rsa_key(), authority=True)
    mail = issue("a", issuer=authority)
    read_staple(staple(mail, authority), mail.certificate, authority.certificate, NOW)


def test_response_without_an_end_is_taken() -> None:
    assert read(staple(MAIL, AUTHORITY, days=None)).is_current(NOW + timedelta(days=300))


def test_response_for_a_certificate_whose_issuer_is_not_known_is_taken() -> None:
    assert read(staple(MAIL, AUTHORITY), None)


def test_response_of_the_authority_s_responder_is_taken() -> None:
    signer = responder(ExtendedKeyUsageOID.OCSP_SIGNING)
    assert read(staple(MAIL, AUTHORITY, signer=signer, certificates=(signer.certificate,)))


@pytest.mark.parametrize(
    "signer",
    [responder(), responder(ExtendedKeyUsageOID.SERVER_AUTH), issue(common_name="authority", authority=True)],
)
def test_response_that_somebody_else_signed_is_refused(signer: Issued) -> None:
    encoded = staple(MAIL, AUTHORITY, signer=signer, certificates=(signer.certificate,))
    assert problem(encoded) == "is not signed by the issuer of the certificate"


@pytest.mark.parametrize("encoded", [b"", b"-----BEGIN OCSP RESPONSE-----", bytes(100)])
def test_what_is_no_response_is_refused(encoded: bytes) -> None:
    assert problem(encoded) == "is not an OCSP response in DER"


def test_responder_s_error_is_refused() -> None:
    error = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert problem(error.public_bytes(Encoding.DER)) == "is a responder's error, TRY_LATER"


def test_response_about_another_certificate_is_refused() -> None:
    other = issue("mail.example.org", issuer=AUTHORITY)
    assert problem(staple(other, AUTHORITY)) == "is about another certificate"


def test_response_about_the_same_number_of_another_authority_is_refused() -> None:
    other = issue(common_name="authority", authority=True)
    assert problem(staple(MAIL, other)) == "is about another certificate"


def test_revoked_certificate_is_reported() -> None:
    encoded = staple(MAIL, AUTHORITY, status=ocsp.OCSPCertStatus.REVOKED)
    assert problem(encoded) == "says that the certificate is revoked"


def test_response_that_is_out_of_date_is_refused() -> None:
    assert problem(staple(MAIL, AUTHORITY, since=-9, days=-2)).startswith("is out of date since 20")


def test_response_that_is_not_valid_yet_is_refused() -> None:
    assert problem(staple(MAIL, AUTHORITY, since=1)).startswith("is not valid before 20")


def test_clock_that_is_a_little_behind_is_no_obstacle() -> None:
    assert read(staple(MAIL, AUTHORITY)).is_current(NOW - timedelta(days=1, minutes=4))
    assert not read(staple(MAIL, AUTHORITY)).is_current(NOW - timedelta(days=1, minutes=6))


@pytest.mark.parametrize("cut", range(0, 200, 17))
def test_broken_bytes_raise_nothing_else(cut: int) -> None:
    encoded = bytearray(staple(MAIL, AUTHORITY))
    encoded[cut] ^= 0x55
    try:
        read(bytes(encoded))
    except UnusableStaple:
        pass
    else:
        pytest.fail("a byte was changed, and nobody saw it")
