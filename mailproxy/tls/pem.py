"""Reads a certificate, its chain and its private key from PEM, and checks that they belong together."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificate_algorithms import key_algorithm, signature_algorithm
from mailproxy.tls.chain import order_problem

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
