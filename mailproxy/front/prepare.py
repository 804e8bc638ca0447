"""From a configuration to what sessions need, short of sockets: what a start and a check have in common."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.config import ConfigError, Problem, remarks
from mailproxy.config.secret import secret_problems, secret_warnings
from mailproxy.config.words import key_path
from mailproxy.front.descriptors import affordable_sessions, capacity_warnings, raise_limit
from mailproxy.front.lasting import BackendKey, Lasting
from mailproxy.front.sockets import StartError
from mailproxy.session.terms import Terms
from mailproxy.tls.client import MakeClientTls, client_sides
from mailproxy.tls.files import key_warnings, read_tls_files, validity_warnings
from mailproxy.tls.policy import policy_problems, policy_warnings
from mailproxy.tls.server import TlsServer
from mailproxy.tls.server_files import server_file_problems, server_file_warnings
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import Certificates, CertificateStore, Complaint
from mailproxy.tls.trust_files import TrustByProfile, read_trusts, trust_warnings


@frozen
class Files:
    """What a configuration names, read and judged: certificates, and the TLS towards clients and servers."""

    certificates: Certificates
    trusts: TrustByProfile
    tls: TlsServers
    tls_servers: Mapping[str, TlsServer]
    """By the frontend's name; those in clear have none."""
    client_tls: MakeClientTls
    hosts: Mapping[str, str]
    """What each frontend calls itself, by its name."""
    complaints: tuple[Complaint, ...] = ()
    """What is wrong with certificates, and does not keep the configuration from use."""


@frozen
class PreparedFrontend:
    """A frontend of the configuration, and what its first sessions have to keep to."""

    settings: config.Frontend
    terms: Terms
    host: str
    """What it calls itself."""


@frozen
class Prepared:
    """
    What follows from one reading of the configuration, before anything of it begins.

    Frontends with the same backend and protocol have one `Backend` together.
    """

    settings: config.Config
    source: str
    frontends: tuple[PreparedFrontend, ...]
    backends: Mapping[BackendKey, Backend]
    certificates: Certificates
    complaints: tuple[Complaint, ...]
    trusts: TrustByProfile
    tls: TlsServers
    lasting: Lasting
    """What the process has already: `adopt` gives it what this reading brings."""

    def bind(self) -> None:
        """Open the sockets that are not open yet; `StartError` with each that cannot be, and then none of them is."""
        admin, path = self.lasting.admin, self.settings.admin.socket
        is_new = admin.bind(path)
        try:
            self.lasting.sockets.bind(self.settings.frontends)
        except StartError:
            if is_new:
                admin.close(path)
            raise

    def adopt(self) -> None:
        """Keep what later readings can go on with; for a reading that is going to be used."""
        lasting = self.lasting
        lasting.tls = self.tls
        entries = {name: profile.certificates for name, profile in self.settings.tls.items()}
        lasting.certificates.adopt(self.certificates, entries)
        lasting.servers = {
            key: {server.name: server for server in backend.pool.servers} for key, backend in self.backends.items()
        }
        lasting.wishes.keep(self.settings.backends)
        raise_limit()
        lasting.total.resize(self.settings.maxconn or affordable_sessions(self.settings))
        for frontend in self.settings.frontends:
            lasting.capacity(frontend.name).resize(frontend.maxconn)

    def warnings(self, now: datetime) -> tuple[str, ...]:
        """Return what an admin should know of a configuration that can be used, at `now`: one line each."""
        return warnings_of(self.settings, self.certificates, self.complaints, self.trusts, now)


def warnings_of(
    settings: config.Config,
    certificates: Certificates,
    complaints: Iterable[Complaint],
    trusts: TrustByProfile,
    now: datetime,
) -> tuple[str, ...]:
    """Return what an admin should know of a configuration and its files, at `now`: one line each; it looks at files."""
    return (
        *validity_warnings(certificates, now),
        *map(str, complaints),
        *key_warnings(certificates),
        *trust_warnings(trusts, now),
        *policy_warnings(settings),
        *secret_warnings(settings),
        *server_file_warnings(settings, now),
        *map(str, remarks(settings)),
        *capacity_warnings(settings),
    )


def read_files(settings: config.Config, source: str, tls: TlsServers, store: CertificateStore) -> Files:
    """
    Read the files that a configuration names and let OpenSSL and the header's rules judge its values.

    Needs no reactor, and may run in a thread beside one: of what the process has it knows `tls`, which it only reads,
    and `store`, which remembers what files looked like. A certificate that was good before and is not any more stays as
    it was, with a warning. Raises `ConfigError`, as if from the file `source`, with everything else that is wrong.
    """
    certificates, complaints, unusable = read_tls_files(settings, store)
    trusts, untrusted = read_trusts(settings)
    unusable += (*untrusted, *policy_problems(settings), *secret_problems(settings), *server_file_problems(settings))
    if unusable:
        raise ConfigError(unusable, source)
    return evolve(judge_files(settings, source, tls, certificates, trusts), complaints=complaints)


def judge_files(
    settings: config.Config,
    source: str,
    tls: TlsServers,
    certificates: Certificates,
    trusts: TrustByProfile,
) -> Files:
    """Do the second half of `read_files`: what these contents of files are used for."""
    problems: dict[str, Problem] = {}
    client_tls = client_sides()
    tls = tls.copy()
    servers: dict[str, TlsServer] = {}
    judged: set[BackendKey] = set()
    for frontend in settings.frontends:
        which = frontend.backend, frontend.protocol
        if which not in judged:
            judged.add(which)
            try:
                Backend(settings.backends[frontend.backend], frontend.protocol, client_tls)
            except ValueError as error:
                key = key_path("backend", frontend.backend)
                problems[key] = Problem(key, str(error))
        if frontend.tls_profile is not None:
            profile = settings.tls[frontend.tls_profile]
            try:
                found, trust = certificates[frontend.tls_profile], trusts.get(frontend.tls_profile)
                servers[frontend.name] = tls.get(profile, found, frontend.alpn, trust)
            except ValueError as error:
                key = key_path("tls", frontend.tls_profile)
                problems[key] = Problem(key, str(error))
    if problems:
        raise ConfigError(problems.values(), source)
    tls.forget_others({(one.tls_profile, one.alpn) for one in settings.frontends if one.tls_profile is not None})
    hosts = {frontend.name: frontend.hostname or _host_name(frontend, certificates) for frontend in settings.frontends}
    return Files(certificates, trusts, tls, servers, client_tls, hosts)


def arrange(settings: config.Config, source: str, files: Files, lasting: Lasting) -> Prepared:
    """
    Make what sessions need, from a configuration whose files are read and judged.

    What is in `lasting` already goes on where it fits; nothing there changes before `Prepared.adopt`. This is quick,
    and belongs where `lasting` changes: the state of servers is taken from there.
    """
    backends: dict[BackendKey, Backend] = {}
    frontends = []
    for frontend in settings.frontends:
        which = frontend.backend, frontend.protocol
        if which not in backends:
            known: Mapping[str, BackendServer] = lasting.servers.get(which, {})
            backends[which] = Backend(
                settings.backends[frontend.backend], frontend.protocol, files.client_tls, known, lasting.wishes
            )
        host = files.hosts[frontend.name]
        terms = Terms.of(frontend, backends[which], files.tls_servers.get(frontend.name), host)
        frontends.append(PreparedFrontend(frontend, terms, host))
    return Prepared(
        settings,
        source,
        tuple(frontends),
        backends,
        files.certificates,
        files.complaints,
        files.trusts,
        files.tls,
        lasting,
    )


def prepare(settings: config.Config, source: str = "the configuration", lasting: Lasting | None = None) -> Prepared:
    """Read the files and make what sessions need, both at once (see `read_files` and `arrange`)."""
    lasting = lasting or Lasting()
    return arrange(settings, source, read_files(settings, source, lasting.tls, lasting.certificates), lasting)


def _host_name(frontend: config.Frontend, certificates: Certificates) -> str:
    """Return what a frontend calls itself: the first name in its certificates, or else the machine's."""
    return next(_names(frontend, certificates), None) or socket.gethostname()


def _names(frontend: config.Frontend, certificates: Certificates) -> Iterator[str]:
    for certificate in certificates.get(frontend.tls_profile or "", ()):
        yield from (name for name in certificate.names if "*" not in name)
