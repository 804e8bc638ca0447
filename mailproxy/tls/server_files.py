"""The files that the settings of servers name: authorities, certificates to show, and secrets of health checks."""

from collections.abc import Iterator
from datetime import datetime

from mailproxy.config import Config, Problem
from mailproxy.config.model import NamedFile
from mailproxy.config.secret import UnusableSecret, exposure, read_secret
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.certificates import CertificateError, CertificateProblem, read_authorities, read_certificates


def server_file_problems(config: Config) -> Iterator[Problem]:
    """Read every file, and tell what is wrong with those that cannot be used, each with the key that names it."""
    for file in _named(config):
        try:
            match file.content:
                case "authorities":
                    read_authorities(file.path)
                case "certificate":
                    read_client_certificate(file.path)
                case "password":
                    read_secret(file.path)
                case "authorization":
                    _read_authorization(file.path)
        except CertificateError as error:
            yield from (Problem(file.key, str(found)) for found in error.problems)
        except UnusableSecret as error:
            yield Problem(file.key, f"{file.path}: {error}")


def server_file_warnings(config: Config, now: datetime) -> Iterator[str]:
    """Tell, of files that can be used, what is not right with them at `now`, each in one line."""
    for path, content in dict.fromkeys((file.path, file.content) for file in _named(config)):
        exposed = exposure(path) if content in ("password", "authorization") else None
        if exposed is not None:
            yield f"{path}: {exposed}"
        if content == "certificate":
            certificate = read_client_certificate(path)
            if certificate.not_after < now:
                yield f"{path}: expired on {certificate.not_after:%Y-%m-%d}; servers will refuse it"
            elif certificate.not_before > now:
                yield f"{path}: is not valid before {certificate.not_before:%Y-%m-%d}"


def read_client_certificate(path: str) -> Certificate:
    """Read the certificate that mailproxy shows to a server, with chain and key; raises `CertificateError`."""
    certificate, *others = read_certificates([path])
    if others:
        raise CertificateError([CertificateProblem(path, f"stands for {len(others) + 1} certificates, needs one")])
    return certificate


def _read_authorization(path: str) -> str:
    value = read_secret(path)
    if not value.isascii():
        raise UnusableSecret("is not ASCII, as an HTTP header has to be")
    return value


def _named(config: Config) -> Iterator[NamedFile]:
    for backend in config.backends.values():
        yield from backend.files
