"""The certificates in the settings of servers: authorities, and client certificates."""

from collections.abc import Iterator
from datetime import datetime

from mailproxy.config import Config, Problem
from mailproxy.config.model import NamedFile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificates import read_authorities, read_certificates
from mailproxy.tls.expiry import invalidity
from mailproxy.tls.problem import CertificateError, CertificateProblem


def server_file_problems(config: Config) -> Iterator[Problem]:
    """Read every file, and yield the problem of each that cannot be used, with its key path."""
    for file in _named(config):
        try:
            match file.content:
                case "authorities":
                    read_authorities(file.path)
                case "certificate":
                    read_client_certificate(file.path)
        except CertificateError as error:
            yield from (Problem(file.key, str(found)) for found in error.problems)


def server_file_warnings(config: Config, now: datetime) -> Iterator[str]:
    """Warn about client certificates that are not valid at `now`, each in one line."""
    for path in dict.fromkeys(file.path for file in _named(config) if file.content == "certificate"):
        certificate = read_client_certificate(path)
        invalid = invalidity(certificate, now)
        if invalid:
            yield f"{path}: {invalid}; servers will refuse it"


def read_client_certificate(path: str) -> Certificate:
    """Read the client certificate for a server, with chain and key; raise `CertificateError` if it cannot be used."""
    certificate, *others = read_certificates([path])
    if others:
        raise CertificateError([CertificateProblem(path, f"matches {len(others) + 1} certificates, needs one")])
    return certificate


def _named(config: Config) -> Iterator[NamedFile]:
    for backend in config.backends.values():
        yield from backend.files
