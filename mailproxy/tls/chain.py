"""Checks the order of a chain: each certificate after the one that it issued (RFC 8446 section 4.4.2)."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

# Few authorities issue the certificates of one front, so most chains have the same pairs of issuers.
_KNOWN_PAIRS = 256


def order_problem(certificates: Sequence[x509.Certificate]) -> str:
    """Name the certificate that did not issue the one before it, as text after ``FILE: ``; "" if each did."""
    for number, (issued, issuer) in enumerate(pairwise(certificates), 2):
        problem = _problem(issued, issuer) if number == 2 else _known_problem(issued, issuer)
        if problem:
            return (
                f"has a chain that is not in order: certificate number {number}, {_shown(issuer.subject)}, {problem} "
                f"number {number - 1}; each has to be behind the one that it issued"
            )
    return ""


def _problem(issued: x509.Certificate, issuer: x509.Certificate) -> str:
    if issued.issuer != issuer.subject:
        return f"is not {_shown(issued.issuer)}, the issuer of"
    try:
        issued.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return "has the name of the issuer but did not sign"
    except (ValueError, TypeError, UnsupportedAlgorithm):
        pass  # cryptography cannot verify this kind of signature; clients may be able to.
    return ""


_known_problem = lru_cache(_KNOWN_PAIRS)(_problem)


def _shown(name: x509.Name) -> str:
    return name.rfc4514_string().encode("unicode_escape").decode("ascii") or "one without a name"
