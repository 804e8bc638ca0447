"""The files that a configuration names."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from mailproxy.config import Config, Problem
from mailproxy.config.secret import exposure
from mailproxy.config.words import key_path
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificates import CertificateError, read_certificates

CertificatesByProfile = Mapping[str, tuple[Certificate, ...]]


def read_tls_files(config: Config) -> tuple[CertificatesByProfile, tuple[Problem, ...]]:
    """
    Read the certificates of every TLS profile; return them by the profile's name.

    Return also what is wrong. A profile whose certificates cannot be used is not among the first.
    """
    certificates: dict[str, tuple[Certificate, ...]] = {}
    problems: list[Problem] = []
    for name, profile in config.tls.items():
        try:
            certificates[name] = read_certificates(profile.certificates)
        except CertificateError as error:
            problems.extend(Problem(key_path("tls", name, "certificates"), str(found)) for found in error.problems)
    return certificates, tuple(problems)


def key_warnings(certificates: CertificatesByProfile) -> Iterator[str]:
    """Tell of private keys that every user of the machine can read, each in one line."""
    for path in dict.fromkeys(found.path for profile in certificates.values() for found in profile):
        key = f"{path}/privkey.pem" if Path(path).is_dir() else path
        exposed = exposure(key)
        if exposed is not None:
            yield f"{key}: {exposed}"


def validity_warnings(certificates: CertificatesByProfile, now: datetime) -> Iterator[str]:
    """
    Tell of certificates that are not valid at `now`, each in one line.

    They are no errors: a front with an expired certificate still serves those who look away, and one that does not
    start serves nobody.
    """
    for path, certificate in {found.path: found for profile in certificates.values() for found in profile}.items():
        if certificate.not_after < now:
            yield f"{path}: expired on {certificate.not_after:%Y-%m-%d}; clients will refuse it"
        elif certificate.not_before > now:
            yield f"{path}: is not valid before {certificate.not_before:%Y-%m-%d}"
