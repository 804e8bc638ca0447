"""One certificate as its files were last read, and the reading of files that have changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from hashlib import sha256

from attrs import evolve, frozen

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.expiry import invalidity
from mailproxy.tls.pem import UnusableCertificate, make_certificate
from mailproxy.tls.problem import CertificateProblem
from mailproxy.tls.source import Content, Marks, staple_file
from mailproxy.tls.staple import Staple, UnusableStaple, read_staple


@frozen
class CertificateFile:
    """The last reading of the files of one certificate."""

    marks: Marks | None = None
    """The marks of the files; None: read them again."""
    digest: bytes = b""
    """The digest of the content that the certificate was made from."""
    certificate: Certificate | None = None
    """The last usable certificate."""
    problem: CertificateProblem | None = None
    """The problem of the current files."""
    staple_problem: CertificateProblem | None = None


NEVER_READ = CertificateFile()


def read_again(
    path: str,
    before: CertificateFile,
    marks: Marks,
    read: Callable[[str], Content],
    *,
    is_fresh: bool,
    is_asked: bool,
    now: datetime,
) -> CertificateFile | None:
    """
    Read a certificate's files, which have changed; return None if they are not usable yet but may be soon.

    With `is_fresh` they have just changed: they are read again the next time, and only a reading that was requested
    (`is_asked`) takes them as they are.
    """
    problem = None
    try:
        content = read(path)
        digest = sha256(content.pem).digest()
        if digest == before.digest and before.certificate is not None:
            certificate = before.certificate
        else:
            certificate = make_certificate(path, content.pem)
    except OSError as error:
        problem = CertificateProblem(str(error.filename or path), f"cannot be read: {error.strerror}")
    except UnusableCertificate as error:
        problem = CertificateProblem(path, str(error))
    if problem is not None:
        if is_fresh and not is_asked:
            return None
        return evolve(before, marks=None if is_fresh else marks, problem=problem)
    if (before.certificate is not None or not is_asked) and certificate is not before.certificate:
        invalid = invalidity(certificate, now)
        if invalid:
            # Checked again each time: it may become valid.
            return evolve(before, marks=None, problem=CertificateProblem(path, invalid))
    staple, staple_problem = _read_staple(certificate, content.staple, before.certificate, now)
    if staple != certificate.staple:
        certificate = evolve(certificate, staple=staple)
    return CertificateFile(None if is_fresh else content.marks, digest, certificate, None, staple_problem)


def _read_staple(
    certificate: Certificate, encoded: bytes | None, before: Certificate | None, now: datetime
) -> tuple[Staple | None, CertificateProblem | None]:
    """Return the OCSP response to send with a certificate, and the problem of the one in the file."""
    if encoded is None:
        return None, None
    previous = before.staple if before is not None and before.digest == certificate.digest else None
    if previous is not None and previous.encoded == encoded:
        return previous, None
    try:
        return read_staple(encoded, certificate.leaf, next(iter(certificate.chain), None), now), None
    except UnusableStaple as error:
        return previous, CertificateProblem(staple_file(certificate.path), str(error))
