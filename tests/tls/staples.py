"""OCSP responses for tests."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tests.tls.issue import NOW, Issued


def staple(
    issued: Issued,
    issuer: Issued,
    *,
    signer: Issued | None = None,
    since: int = -1,
    days: int | None = 3,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    certificates: tuple[x509.Certificate, ...] = (),
) -> bytes:
    """What an authority's responder says of a certificate, for `days` days from now on, in DER."""
    signer = signer or issuer
    is_revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            issued.certificate,
            issuer.certificate,
            SHA1(),
            status,
            this_update=NOW + timedelta(days=since),
            next_update=None if days is None else NOW + timedelta(days=days),
            revocation_time=NOW if is_revoked else None,
            revocation_reason=None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    )
    if certificates:
        builder = builder.certificates(certificates)
    return builder.sign(signer.key, SHA256()).public_bytes(Encoding.DER)
