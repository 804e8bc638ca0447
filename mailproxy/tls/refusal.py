"""The reason why a server's certificate is refused, as a clause for the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from OpenSSL.SSL import X509VerificationCodes
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from service_identity.hazmat import DNS_ID

from mailproxy.tls import openssl

_UNKNOWN_ISSUER = (
    X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT,
    X509VerificationCodes.ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
    X509VerificationCodes.ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
    X509VerificationCodes.ERR_SELF_SIGNED_CERT_IN_CHAIN,
)

# A certificate may have thousands of names, and an attacker may have chosen them.
_NAMES_SHOWN = 5
_CHARACTERS_SHOWN = 100


def is_ip_address(name: str) -> bool:
    """Return whether the name that a certificate must have is an IP address, not a host name."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def check_name(name: str) -> None:
    """Raise ValueError unless a certificate can have this name."""
    if not is_ip_address(name):
        try:
            DNS_ID(name)
        except ValueError:
            raise ValueError(f"{_shown(name)} is neither a host name nor an IP address") from None


def name_problem(certificate: bytes, name: str) -> str:
    """
    Return why a certificate, in DER, does not match a host name or an IP address (RFC 9525); "" if it does.

    Only its subjectAltName counts; the common name does not (section 6.3).
    """
    try:
        leaf = x509.load_der_x509_certificate(certificate)
        if is_ip_address(name):
            verify_certificate_ip_address(leaf, name)
        else:
            verify_certificate_hostname(leaf, name)
    except VerificationError:
        return f"certificate is for {_names(leaf)}, not for {name}"
    except CertificateError:
        return f"certificate has no subjectAltName, needs one for {name}"
    except ValueError as error:
        return f"certificate cannot be read: {_shown(str(error))}"
    return ""


def _names(leaf: x509.Certificate) -> str:
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    found = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    shown = [_shown(name) for name in found[:_NAMES_SHOWN]]
    if len(found) > _NAMES_SHOWN:
        shown.append(f"{len(found) - _NAMES_SHOWN} more")
    return ", ".join(shown) or "no host"


def chain_problem(verdict: int, chain: Sequence[bytes], authorities: str, now: datetime) -> str:
    """
    Explain OpenSSL's verify result of a server's chain (in DER, leaf first) at `now`.

    `authorities` names the trusted authorities, in words.
    """
    try:
        certificates = [x509.load_der_x509_certificate(certificate) for certificate in chain]
    except ValueError as error:
        return f"certificate cannot be read: {_shown(str(error))}"
    for number, certificate in enumerate(certificates):
        whose = "certificate" if number == 0 else f"its issuer's certificate, {_subject(certificate.subject)},"
        if verdict == X509VerificationCodes.ERR_CERT_HAS_EXPIRED and certificate.not_valid_after_utc < now:
            return f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d at %H:%M} UTC"
        if verdict == X509VerificationCodes.ERR_CERT_NOT_YET_VALID and certificate.not_valid_before_utc > now:
            return f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d at %H:%M} UTC"
    if verdict == X509VerificationCodes.ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return f"certificate is self-signed, and not in {authorities}"
    if verdict in _UNKNOWN_ISSUER and certificates:
        return f"certificate comes from {_subject(certificates[-1].issuer)}, which is not in {authorities}"
    return f"certificate is not acceptable: {openssl.verify_words(verdict)}"


def _subject(name: x509.Name) -> str:
    return _shown(name.rfc4514_string()) or "an issuer without a name"


def _shown(text: str) -> str:
    """Escape all but printable ASCII, which could forge log lines."""
    shown = text[:_CHARACTERS_SHOWN].encode("unicode_escape").decode("ascii")
    return shown if len(text) <= _CHARACTERS_SHOWN else f"{shown}…"
