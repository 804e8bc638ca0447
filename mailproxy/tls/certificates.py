"""Certificates from disk: what patterns stand for, and everything that is wrong with the files, at once."""

import os
import stat
from collections.abc import Iterable
from glob import glob

from attrs import frozen
from cryptography import x509

from mailproxy.tls.certificate import Certificate, UnusableCertificate, make_certificate, read_chain

CHAIN_FILE, KEY_FILE = "fullchain.pem", "privkey.pem"
"""What ACME clients (certbot, lego's hooks, acme.sh) call the two files in a certificate's folder."""


@frozen
class CertificateProblem:
    """What is wrong with one file, folder or pattern."""

    path: str
    message: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.path}: {self.message}"


class CertificateError(Exception):
    """Certificates that cannot be used; `problems` has every one, and as text each is a line."""

    def __init__(self, problems: Iterable[CertificateProblem]) -> None:
        """Take the problems, at least one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def read_certificates(patterns: Iterable[str]) -> tuple[Certificate, ...]:
    """
    Read the certificates that `patterns` name, in their order and, for each, in that of the alphabet.

    A pattern is a PEM file with leaf, chain and key; a folder with fullchain.pem and privkey.pem; or either with
    ``*``, ``?``, ``[…]`` and ``**`` in it. A file that several patterns match is read once. An expired certificate is
    no error: whether to serve it is for the administrator to say. Raises `CertificateError`.
    """
    certificates: dict[str, Certificate] = {}
    problems: list[CertificateProblem] = []
    for pattern in patterns:
        paths = _matches(pattern)
        if not paths:
            problems.append(CertificateProblem(pattern, _nothing_there(pattern)))
        for path in paths:
            try:
                if path not in certificates:
                    certificates[path] = make_certificate(path, _read(path))
            except OSError as error:
                problems.append(CertificateProblem(str(error.filename), f"cannot be read: {error.strerror}"))
            except UnusableCertificate as error:
                problems.append(CertificateProblem(path, str(error)))
    if problems:
        raise CertificateError(dict.fromkeys(problems))
    return tuple(certificates.values())


def read_authorities(path: str) -> tuple[x509.Certificate, ...]:
    """Read the certificates of authorities, those that clients' certificates are verified with, from a PEM file."""
    try:
        return read_chain(read_file(path))
    except OSError as error:
        raise CertificateError([CertificateProblem(path, f"cannot be read: {error.strerror}")]) from None
    except UnusableCertificate as error:
        raise CertificateError([CertificateProblem(path, str(error))]) from error


def _matches(pattern: str) -> list[str]:
    """List what `pattern` stands for; a file that has the pattern for a name comes first."""
    try:
        os.lstat(pattern)
    except (FileNotFoundError, NotADirectoryError):
        return sorted({os.path.normpath(path) for path in glob(pattern, recursive=True)})
    except OSError:
        pass  # It is there, or reading it will tell why that cannot be seen.
    return [os.path.normpath(pattern)]


def _nothing_there(pattern: str) -> str:
    return "matches nothing that this user can see" if any(sign in pattern for sign in "*?[") else "does not exist"


def _read(path: str) -> bytes:
    if not os.path.isdir(path):
        return read_file(path)
    found = os.listdir(path)
    missing = [name for name in (CHAIN_FILE, KEY_FILE) if name not in found]
    if missing:
        raise UnusableCertificate(f"is a folder without {' and '.join(missing)}; for the PEM files in it, add /*.pem")
    return b"\n".join(read_file(os.path.join(path, name)) for name in (CHAIN_FILE, KEY_FILE))


def read_file(path: str) -> bytes:
    """Read a file, and nothing but a file; raises OSError and `UnusableCertificate`."""
    # Opening a FIFO would wait for somebody to write to it.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise UnusableCertificate("is not a file")
    with open(path, "rb") as file:
        return file.read()
