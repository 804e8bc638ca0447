"""The certificates in the settings of servers: authorities, and client certificates."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from attrs import field, frozen
from cryptography import x509

from mailproxy.config import Config, Problem
from mailproxy.config.model import NamedFile
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificates import read_authorities, read_certificates
from mailproxy.tls.expiry import invalidity
from mailproxy.tls.problem import CertificateError, CertificateProblem


@frozen
class ServerFiles:
    """The contents of these files, by path: a process that may not read them can use them all the same."""

    authorities: Mapping[str, tuple[x509.Certificate, ...]] = field(repr=False, factory=dict)
    certificates: Mapping[str, Certificate] = field(repr=False, factory=dict)


def read_server_files(config: Config) -> tuple[ServerFiles, tuple[Problem, ...]]:
    """Read every file, and return the contents, and the problem of each that cannot be used, with its key path."""
    authorities: dict[str, tuple[x509.Certificate, ...]] = {}
    certificates: dict[str, Certificate] = {}
    problems: list[Problem] = []
    for file in _named(config):
        try:
            match file.content:
                case "authorities" if file.path not in authorities:
                    authorities[file.path] = read_authorities(file.path)
                case "certificate" if file.path not in certificates:
                    certificates[file.path] = read_client_certificate(file.path)
        except CertificateError as error:
            problems.extend(Problem(file.key, str(found)) for found in error.problems)
    return ServerFiles(authorities, certificates), tuple(problems)


def server_file_warnings(files: ServerFiles, now: datetime) -> Iterator[str]:
    """Warn about client certificates that are not valid at `now`, each in one line."""
    for path, certificate in files.certificates.items():
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
