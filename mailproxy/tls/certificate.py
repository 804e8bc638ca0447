"""
One certificate with its chain and private key, and its names, kinds and dates.

A `Certificate` is a value of bytes, texts and times, so it can be sent to another process.
"""

import ssl
from datetime import datetime

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

from mailproxy.tls.staple import Staple


@frozen(cache_hash=True)
class Certificate:
    """
    A leaf certificate, the chain that is sent with it, and its key.

    `names` are its names in lower case: the DNS names of its SAN extension, else its common names (RFC 6125, section
    6.4.4). `kind` is the kind of its key: "RSA", "EC", …; OpenSSL serves one certificate of each kind. `sig_alg` is the
    algorithm of its issuer's signature, by OpenSSL's short name ("RSA-SHA256", "ecdsa-with-SHA256"), or the dotted OID
    if OpenSSL has no name. `key_alg` is HAProxy's name of its key ("RSA2048", "EC256"), None for kinds without one,
    such as Ed25519. Both times are in UTC.
    """

    path: str
    digest: bytes
    """Identifies the certificate: the SHA-256 of all of `encoded` and `encoded_key`."""
    encoded: tuple[bytes, ...] = field(eq=False, repr=False)
    """The leaf and its chain, in DER."""
    encoded_key: bytes = field(eq=False, repr=False)
    """The private key, in DER (PKCS #8)."""
    names: tuple[str, ...] = field(eq=False)
    kind: str = field(eq=False)
    sig_alg: str = field(eq=False)
    key_alg: str | None = field(eq=False)
    not_before: datetime = field(eq=False)
    not_after: datetime = field(eq=False)
    staple: Staple | None = None
    """The OCSP response that is sent with it."""

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate itself."""
        return x509.load_der_x509_certificate(self.encoded[0])

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The certificates of its issuers, the nearest first."""
        return tuple(map(x509.load_der_x509_certificate, self.encoded[1:]))

    @property
    def pem(self) -> bytes:
        """The leaf and its chain, in PEM."""
        return b"".join(ssl.DER_cert_to_PEM_cert(encoded).encode() for encoded in self.encoded)

    @property
    def key(self) -> PrivateKeyTypes:
        """The private key."""
        return load_der_private_key(self.encoded_key, None, unsafe_skip_rsa_key_validation=True)
