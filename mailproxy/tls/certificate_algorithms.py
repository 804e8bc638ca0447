"""The algorithms of a certificate, by the names that OpenSSL and HAProxy have for them."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPublicKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

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
