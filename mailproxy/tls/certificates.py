"""Reads certificates from disk: expands patterns, and reports all problems at once."""

from collections.abc import Iterable

from cryptography import x509

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.pem import UnusableCertificate, read_chain
from mailproxy.tls.problem import CertificateError, CertificateProblem
from mailproxy.tls.source import read_file
from mailproxy.tls.store import CertificateStore


def read_certificates(entries: Iterable[str]) -> tuple[Certificate, ...]:
    """
    Read the certificates that `entries` name, in the order of the entries, the matches of each sorted by name.

    An entry is a PEM file with leaf, chain and key; a folder with fullchain.pem and privkey.pem, or with tls.crt and
    tls.key; or a pattern of these, with ``*``, ``?``, ``[…]`` and ``**``. A file that several entries match is read
    once. An expired certificate is not an error: the administrator decides. Raises `CertificateError`.
    """
    reading = CertificateStore().read({"": tuple(entries)})
    if reading.problems[""]:
        raise CertificateError(reading.problems[""])
    return reading.certificates[""]


def read_authorities(path: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of authorities from a PEM file; they verify clients' certificates."""
    try:
        return read_chain(read_file(path))
    except OSError as error:
        raise CertificateError([CertificateProblem(path, f"cannot be read: {error.strerror}")]) from None
    except UnusableCertificate as error:
        raise CertificateError([CertificateProblem(path, str(error))]) from error
