"""OCSP stapling: a response that is sent with a certificate (RFC 6066 section 8)."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

# A responder's clock may be a little ahead; callers of OpenSSL's OCSP_check_validity allow the same.
_CLOCK_SKEW = timedelta(minutes=5)


class UnusableStaple(Exception):
    """Clients would refuse this OCSP response; the text continues ``FILE: …``."""


@frozen
class Staple:
    """An OCSP response in DER, and its validity; `next_update` None: until a newer one exists."""

    encoded: bytes = field(repr=False)
    this_update: datetime
    next_update: datetime | None

    def is_current(self, now: datetime) -> bool:
        """Return whether it may be sent."""
        return self.this_update <= now + _CLOCK_SKEW and (self.next_update is None or now < self.next_update)


def read_staple(encoded: bytes, leaf: x509.Certificate, issuer: x509.Certificate | None, now: datetime) -> Staple:
    """
    Read an OCSP response for a certificate; raise `UnusableStaple` if it cannot be sent. `issuer` is None if unknown.

    The response must have the status good, be about this certificate, be valid at `now`, and be signed by the issuer or
    by a responder that the issuer has authorized.
    """
    try:
        response = ocsp.load_der_ocsp_response(encoded)
    except ValueError:
        raise UnusableStaple("is not an OCSP response in DER") from None
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise UnusableStaple(f"is a responder's error, {response.response_status.name}")
    try:
        single = next((one for one in response.responses if _is_about(one, leaf, issuer)), None)
        if single is None:
            raise UnusableStaple("is about another certificate")
        if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
            raise UnusableStaple(f"says that the certificate is {single.certificate_status.name.lower()}")
        staple = Staple(encoded, single.this_update_utc, single.next_update_utc)
        if not staple.is_current(now):
            raise UnusableStaple(_validity(staple, now))
        if issuer is not None and not _is_signed(response, issuer):
            raise UnusableStaple("is not signed by the issuer of the certificate")
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnusableStaple(f"cannot be used: {' '.join(str(error).split())}") from None
    return staple


def _validity(staple: Staple, now: datetime) -> str:
    if staple.next_update is not None and staple.next_update <= now:
        return f"is out of date since {staple.next_update:%Y-%m-%d %H:%M} UTC"
    return f"is not valid before {staple.this_update:%Y-%m-%d %H:%M} UTC"


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate | None) -> bool:
    """Return whether a response is about a certificate, by its CertID (RFC 6960 section 4.1.1)."""
    return (
        single.serial_number == leaf.serial_number
        and single.issuer_name_hash == _digest(leaf.issuer.public_bytes(), single.hash_algorithm)
        and (issuer is None or single.issuer_key_hash == _digest(_key_bits(issuer), single.hash_algorithm))
    )


def _digest(data: bytes, algorithm: HashAlgorithm) -> bytes:
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _key_bits(certificate: x509.Certificate) -> bytes:
    """Return the bits of an issuer's key, without their algorithm; a CertID has their hash."""
    key = certificate.public_key()
    if isinstance(key, EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _is_signed(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Return whether the issuer or one of its responders has signed a response (RFC 6960 section 4.2.2.2)."""
    return any(_has_signed(response, signer) for signer in (issuer, *_responders(response, issuer)))


def _responders(response: ocsp.OCSPResponse, issuer: x509.Certificate) -> list[x509.Certificate]:
    found = []
    for certificate in response.certificates:
        try:
            usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            certificate.verify_directly_issued_by(issuer)
        except (x509.ExtensionNotFound, InvalidSignature, TypeError, ValueError):
            continue
        if ExtendedKeyUsageOID.OCSP_SIGNING in usages:
            found.append(certificate)
    return found


def _is_pss(response: ocsp.OCSPResponse) -> bool:
    return response.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS


def _has_signed(response: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, signature, data = signer.public_key(), response.signature, response.tbs_response_bytes
    algorithm = response.signature_hash_algorithm
    try:
        if isinstance(key, EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ECDSA(algorithm))
        elif isinstance(key, RSAPublicKey) and algorithm is not None and not _is_pss(response):
            key.verify(signature, data, PKCS1v15(), algorithm)
        elif isinstance(key, Ed25519PublicKey | Ed448PublicKey):
            key.verify(signature, data)
        else:
            return True  # cryptography cannot verify this kind of signature; clients may be able to.
    except InvalidSignature:
        return False
    return True
