"""The names in a client's certificate, for rules: its alternative names, its issuer, and its fingerprint."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from attrs import frozen
from cryptography import x509

# A client with a certificate comes again and again, and reading one takes 50 µs; each is a few KiB.
_KNOWN = 256

_TEXTS = (x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier)


@frozen
class ClientNames:
    """What a certificate says of its owner."""

    alternatives: tuple[str, ...]
    """The DNS names, mail addresses, URIs and IP addresses of its SAN extension."""
    issuer: str
    """The issuer as in RFC 4514; "" if it cannot be read."""


def fingerprint(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate in DER, in hexadecimal digits."""
    return sha256(certificate).hexdigest()


@lru_cache(maxsize=_KNOWN)
def client_names(certificate: bytes) -> ClientNames:
    """Return the names in a certificate in DER; none if they cannot be read."""
    try:
        read = x509.load_der_x509_certificate(certificate)
        issuer = read.issuer.rfc4514_string()
    except ValueError:
        return ClientNames((), "")
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ClientNames((), issuer)
    texts = [name.value for name in names if isinstance(name, _TEXTS)]
    return ClientNames((*texts, *map(str, names.get_values_for_type(x509.IPAddress))), issuer)
