"""From a configuration to what sessions need, short of sockets: what a start and a check have in common."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config import ConfigError, Problem, remarks
from mailproxy.config.secret import secret_problems, secret_warnings
from mailproxy.config.words import key_path
from mailproxy.tls.client import client_sides
from mailproxy.tls.files import CertificatesByProfile, key_warnings, read_tls_files, validity_warnings
from mailproxy.tls.groups import group_certificates
from mailproxy.tls.server import TlsServer
from mailproxy.tls.server_files import server_file_problems, server_file_warnings


@frozen
class Ready:
    """
    The parts of a front: each frontend with its backend and, unless it is in clear, its TLS.

    Frontends with the same backend and protocol have one `Backend` together.
    """

    frontends: tuple[tuple[config.Frontend, Backend, TlsServer | None], ...]
    certificates: CertificatesByProfile


def prepare(settings: config.Config, source: str = "the configuration") -> Ready:
    """
    Read the files that a configuration names and let OpenSSL and the header's rules judge its values.

    Raises `ConfigError`, as if from the file `source`, with everything that is wrong.
    """
    certificates, unusable = read_tls_files(settings)
    unusable += (*secret_problems(settings), *server_file_problems(settings))
    if unusable:
        raise ConfigError(unusable, source)
    problems: dict[str, Problem] = {}
    client_tls = client_sides()
    frontends = []
    backends: dict[tuple[str, str], Backend] = {}
    for frontend in settings.frontends:
        tls = None
        which = frontend.backend, frontend.protocol
        if which not in backends:
            try:
                backends[which] = Backend(settings.backends[frontend.backend], frontend.protocol, client_tls)
            except ValueError as error:
                key = key_path("backend", frontend.backend)
                problems[key] = Problem(key, str(error))
        if frontend.tls_profile is not None:
            try:
                groups = group_certificates(certificates[frontend.tls_profile])
                tls = TlsServer(settings.tls[frontend.tls_profile], groups, frontend.alpn)
            except ValueError as error:
                key = key_path("tls", frontend.tls_profile)
                problems[key] = Problem(key, str(error))
        if which in backends:
            frontends.append((frontend, backends[which], tls))
    if problems:
        raise ConfigError(problems.values(), source)
    return Ready(tuple(frontends), certificates)


def warnings(settings: config.Config, ready: Ready, now: datetime) -> tuple[str, ...]:
    """Return what an admin should know of a configuration that can be used, at `now`: one line each."""
    return (
        *validity_warnings(ready.certificates, now),
        *key_warnings(ready.certificates),
        *secret_warnings(settings),
        *server_file_warnings(settings, now),
        *map(str, remarks(settings)),
    )
