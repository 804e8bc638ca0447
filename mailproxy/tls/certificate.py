"""
One certificate with its chain and private key, read from a PEM file (or two), with its names, kinds and dates.

A `Certificate` is a value of bytes, texts and times, so it can be sent to another process.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from mailproxy.tls.chain import order_problem
from mailproxy.tls.staple import Staple

SIGNATURE_ALGORITHMS = {
    "1.2.840.113549.1.1.5": "RSA-SHA1",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "RSA-SHA256",
    "1.2.840.113549.1.1.12": "RSA-SHA384",
    "1.2.840.113549.1.1.13": "RSA-SHA512",
    "1.2.840.113549.1.1.14": "RSA-SHA224",
    "1.2.840.10040.4.3": "DSA-SHA1",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
    "2.16.840.1.101.3.4.3.2": "dsa_with_SHA256",
    "2.16.840.1.101.3.4.3.17": "id-ml-dsa-44",
    "2.16.840.1.101.3.4.3.18": "id-ml-dsa-65",
    "2.16.840.1.101.3.4.3.19": "id-ml-dsa-87",
}
"""OpenSSL's short names (OBJ_nid2sn), which HAProxy sends; pyOpenSSL has only the long names."""

_PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE"}

# The exceptions that cryptography raises for bad content of PEM blocks; they have no common base.
_BAD_ENCODING = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)

_NO_KEY = (
    "has no private key; put certificate, chain and key into one file, "
    "or name a folder with fullchain.pem and privkey.pem"
)


class UnusableCertificate(Exception):
    """The content of a file cannot be served as a certificate; the text continues ``FILE: …``."""


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


def make_certificate(path: str, pem: bytes) -> Certificate:
    """Make a certificate from PEM with the leaf, its chain and the key; the leaf must come before the chain."""
    certificates = read_chain(pem)
    leaf = certificates[0]
    key = _read_key(pem)
    try:
        _check_key(key, certificates)
        encoded = tuple(certificate.public_bytes(Encoding.DER) for certificate in certificates)
        encoded_key = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return Certificate(
            path=path,
            digest=sha256(b"".join((*encoded, encoded_key))).digest(),
            encoded=encoded,
            encoded_key=encoded_key,
            names=_names(leaf),
            kind=_kind(key),
            sig_alg=signature_algorithm(leaf),
            key_alg=key_algorithm(leaf),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        )
    except _BAD_ENCODING as error:
        raise UnusableCertificate(f"has a certificate that cannot be used: {_on_one_line(error)}") from error


def read_chain(pem: bytes) -> tuple[x509.Certificate, ...]:
    """Read every certificate in `pem`, at least one, in order."""
    blocks = [block for label, block in _blocks(pem) if label in _CERTIFICATE_LABELS]
    if sum(pem.count(b"-----BEGIN %b-----" % label) for label in _CERTIFICATE_LABELS) > len(blocks):
        raise UnusableCertificate("has a certificate that is cut off (no -----END CERTIFICATE-----)")
    if not blocks:
        raise UnusableCertificate("has no certificate (no -----BEGIN CERTIFICATE-----)")
    certificates = []
    for number, block in enumerate(blocks, 1):
        try:
            certificates.append(x509.load_pem_x509_certificate(block))
        except _BAD_ENCODING as error:
            reason = _on_one_line(error)
            raise UnusableCertificate(f"has a certificate (number {number}) that cannot be read: {reason}") from error
    return tuple(certificates)


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _blocks(pem: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((match[1], match[0]) for match in _PEM_BLOCK.finditer(pem))


def _read_key(pem: bytes) -> PrivateKeyTypes:
    keys = [block for label, block in _blocks(pem) if label.endswith(b"PRIVATE KEY")]
    if len(keys) != 1:
        raise UnusableCertificate(f"has {len(keys)} private keys, needs one" if keys else _NO_KEY)
    try:
        # A test that the factors of an RSA key are primes takes 70 ms; `_check_rsa` finds a damaged key in 0.05 ms.
        key = load_pem_private_key(keys[0], password=None, unsafe_skip_rsa_key_validation=True)
    except TypeError:  # cryptography raises it for an encrypted key
        raise UnusableCertificate(
            "has an encrypted private key, which is not supported; remove the passphrase"
        ) from None
    except _BAD_ENCODING as error:
        raise UnusableCertificate(f"has a private key that cannot be read: {_on_one_line(error)}") from error
    if isinstance(key, RSAPrivateKey):
        _check_rsa(key)
    return key


def _check_rsa(key: RSAPrivateKey) -> None:
    """Refuse a key whose numbers do not match: a single signature with it could reveal the key."""
    numbers = key.private_numbers()
    n, e = numbers.public_numbers.n, numbers.public_numbers.e
    p, q, d = numbers.p, numbers.q, numbers.d
    if not (
        min(p, q) > 2
        and p * q == n
        and all((d * e - 1) % (factor - 1) == 0 for factor in (p, q))
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
    ):
        raise UnusableCertificate("has a private key that is damaged: its numbers do not belong together")


def _kind(key: PrivateKeyTypes) -> str:
    """Return the kind of a key: "RSA" for `RSAPrivateKey`, "EC" for `EllipticCurvePrivateKey`."""
    return "EC" if isinstance(key, EllipticCurvePrivateKey) else type(key).__name__.removesuffix("PrivateKey")


def _check_key(key: PrivateKeyTypes, certificates: Sequence[x509.Certificate]) -> None:
    public = key.public_key()
    owners = [number for number, certificate in enumerate(certificates, 1) if certificate.public_key() == public]
    if not owners:
        raise UnusableCertificate("has a private key that does not belong to the certificate")
    if owners[0] != 1:
        raise UnusableCertificate(f"has its certificates in the wrong order: the key belongs to number {owners[0]}")
    problem = order_problem(certificates)
    if problem:
        raise UnusableCertificate(problem)


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        names = []
    if not names:
        names = [str(part.value) for part in leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return tuple(dict.fromkeys(name.lower() for name in names))


def signature_algorithm(leaf: x509.Certificate) -> str:
    """Return the algorithm of the issuer's signature, by OpenSSL's short name or else as dotted OID."""
    oid = leaf.signature_algorithm_oid.dotted_string
    return SIGNATURE_ALGORITHMS.get(oid, oid)


def key_algorithm(leaf: x509.Certificate) -> str | None:
    """Return the kind and bits of a certificate's key in HAProxy's form; None for kinds that HAProxy leaves out."""
    match leaf.public_key():
        case RSAPublicKey(key_size=bits):
            return f"RSA{bits}"
        case EllipticCurvePublicKey(key_size=bits):
            return f"EC{bits}"
        case DSAPublicKey(key_size=bits):
            return f"DSA{bits}"
        case _:
            return None
