"""The certificates that a configuration names."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from mailproxy.config import Config, Problem
from mailproxy.config.secret import exposure
from mailproxy.config.words import key_path
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.complaint import Complaint
from mailproxy.tls.expiry import invalidity
from mailproxy.tls.pem import UnusableCertificate
from mailproxy.tls.source import key_file
from mailproxy.tls.store import Certificates, CertificateStore


def read_tls_files(
    config: Config, store: CertificateStore
) -> tuple[Certificates, tuple[Complaint, ...], tuple[Problem, ...]]:
    """
    Read the certificates of every TLS profile, from the files that have changed since the store last read them.

    Return also the problems that do not stop a start, because an earlier certificate stays in use or none is needed;
    and the problems that do.
    """
    reading = store.read({name: profile.certificates for name, profile in config.tls.items()})
    problems = [
        Problem(key_path("tls", name, "certificates"), str(found))
        for name, of_profile in reading.problems.items()
        for found in of_profile
    ]
    matters = set(chain.from_iterable(reading.problems.values()))
    minor = tuple(complaint for complaint in reading.complaints if complaint.problem not in matters)
    return reading.certificates, minor, tuple(problems)


def key_warnings(certificates: Certificates) -> Iterator[str]:
    """Warn about private keys that every user of the machine can read, each in one line."""
    for certificate in _each(certificates):
        try:
            key = key_file(certificate.path)
        except (OSError, UnusableCertificate):
            continue  # the folder has changed since, and the previous certificate stays in use
        exposed = exposure(key)
        if exposed is not None:
            yield f"{key}: {exposed}"


def validity_warnings(certificates: Certificates, now: datetime) -> Iterator[str]:
    """
    Warn about certificates that are not valid at `now`, each in one line.

    They are not errors: a front with an expired certificate still serves clients that do not verify it; a front that
    does not start serves no client.
    """
    for certificate in _each(certificates):
        invalid = invalidity(certificate, now)
        if invalid:
            yield f"{certificate.path}: {invalid}; clients will refuse it"


def _each(certificates: Certificates) -> Iterator[Certificate]:
    yield from {found.path: found for profile in certificates.values() for found in profile}.values()
