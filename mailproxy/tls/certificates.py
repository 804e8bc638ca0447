"""Certificates from disk: what patterns stand for, and everything that is wrong with the files, at once."""

from collections.abc import Iterable

from cryptography import x509

from mailproxy.tls.certificate import Certificate, UnusableCertificate, read_chain
from mailproxy.tls.problem import CertificateError, CertificateProblem
from mailproxy.tls.source import read_file
from mailproxy.tls.store import CertificateStore


def read_certificates(entries: Iterable[str]) -> tuple[Certificate, ...]:
    """
    Read the certificates that `entries` name, in their order and, for each, in that of the alphabet.

    An entry is a PEM file with leaf, chain and key; a folder with fullchain.pem and privkey.pem, or with tls.crt and
    tls.key; or either with ``*``, ``?``, ``[…]`` and ``**`` in it. A file that several entries match is read once. An
    expired certificate is no error: whether to serve it is for the administrator to say. Raises `CertificateError`.
    """
    reading = CertificateStore().read({"": tuple(entries)})
    if reading.problems[""]:
        raise CertificateError(reading.problems[""])
    return reading.certificates[""]


def read_authorities(path: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of authorities, those that clients' certificates are verified with, from a PEM file."""
    try:
        return read_chain(read_file(path))
    except OSError as error:
        raise CertificateError([CertificateProblem(path, f"cannot be read: {error.strerror}")]) from None
    except UnusableCertificate as error:
        raise CertificateError([CertificateProblem(path, str(error))]) from error
