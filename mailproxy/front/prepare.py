"""Makes everything for sessions from a configuration, except sockets: the common part of a start and a check."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.config import ConfigError, Problem, remarks
from mailproxy.config.secret import read_token, secret_problems, secret_warnings
from mailproxy.config.words import key_path
from mailproxy.front.admin import admin_places
from mailproxy.front.descriptors import affordable_sessions, capacity_warnings, raise_limit
from mailproxy.front.log_targets import target_warnings
from mailproxy.front.process_state import BackendKey, ProcessState
from mailproxy.front.sockets import StartError
from mailproxy.front.surroundings import FrontSurroundings
from mailproxy.front.unreadable import unreadable_warnings
from mailproxy.front.writable import writable_warnings
from mailproxy.networks.list_file import UnusableList
from mailproxy.networks.network_list import NO_LISTS, NetworkList, ReadList, read_lists
from mailproxy.networks.network_set import NetworkSet
from mailproxy.rules.rules import Rules
from mailproxy.session.terms import Terms
from mailproxy.tls.client import MakeClientTls, client_sides
from mailproxy.tls.files import key_warnings, read_tls_files, validity_warnings
from mailproxy.tls.policy import policy_problems, policy_warnings
from mailproxy.tls.server import TlsServer
from mailproxy.tls.server_files import ServerFiles, read_server_files, server_file_warnings
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import Certificates, CertificateStore, Complaint
from mailproxy.tls.trust_files import TrustByProfile, read_trusts, trust_warnings

HTTP_ALPN = ("http/1.1",)
"""The protocol of administrators' HTTP over TLS."""


@frozen
class Http:
    """What HTTP for administrators needs from files."""

    tls: TlsServer | None = None
    """None: HTTP is in clear."""
    token: str | None = None
    """The token for changes; None: nothing is changed over HTTP."""
    names: tuple[str, ...] = ()
    """The names in the certificates of its TLS profile."""


@frozen
class Files:
    """The files that a configuration names, read and checked: certificates, and the TLS towards clients and servers."""

    certificates: Certificates
    trusts: TrustByProfile
    server_files: ServerFiles
    tls: TlsServers
    tls_servers: Mapping[str, TlsServer]
    """By the frontend's name; those in clear have none."""
    client_tls: MakeClientTls
    hosts: Mapping[str, str]
    """Each frontend's host name, by the frontend's name."""
    lists: tuple[ReadList, ...] = ()
    """The lists of networks."""
    complaints: tuple[Complaint, ...] = ()
    """Problems of certificates that do not prevent the configuration's use."""
    http: Http = Http()
    unusable_lists: tuple[UnusableList, ...] = ()
    """Lists that cannot be used, in whose place earlier ones stay in use."""


@frozen
class PreparedFrontend:
    """A frontend of the configuration, and the terms of its first sessions."""

    settings: config.Frontend
    terms: Terms
    host: str
    """Its host name."""


@frozen
class Prepared:
    """
    Everything from one reading of the configuration, before any of it begins.

    Frontends with the same backend and protocol have one `Backend` together.
    """

    settings: config.Config
    source: str
    frontends: tuple[PreparedFrontend, ...]
    backends: Mapping[BackendKey, Backend]
    certificates: Certificates
    complaints: tuple[Complaint, ...]
    lists: tuple[ReadList, ...]
    unusable_lists: tuple[UnusableList, ...]
    trusts: TrustByProfile
    server_files: ServerFiles
    tls: TlsServers
    http: Http
    process_state: ProcessState
    """The objects of the process, which `adopt` updates with this reading."""

    def bind(self) -> None:
        """Open the missing sockets; `StartError` with each that cannot be opened, and then none is."""
        admin = self.process_state.admin
        opened = admin.bind(admin_places(self.settings.admin))
        try:
            self.process_state.sockets.bind(self.settings.frontends)
        except StartError:
            admin.close(opened)
            raise

    def adopt(self) -> None:
        """Put this reading's objects into `process_state`; call it before the reading is used."""
        process_state = self.process_state
        process_state.tls = self.tls
        entries = {name: profile.certificates for name, profile in self.settings.tls.items()}
        process_state.certificates.adopt(self.certificates, entries)
        process_state.certificates.remember(self.complaints)
        for read in self.lists:
            process_state.lists.take(read)
        process_state.lists.keep(self.settings.list_files.keys())
        process_state.servers = {
            key: {server.name: server for server in backend.pool.servers} for key, backend in self.backends.items()
        }
        process_state.overrides.keep(self.settings.backends)
        process_state.bans.lists = [process_state.lists.at(path) for path in self.settings.bans.lists]
        process_state.bans.exempt = NetworkSet.of(self.settings.limits.exempt)
        raise_limit()
        process_state.total.resize(self.settings.maxconn or affordable_sessions(self.settings))
        for frontend in self.settings.frontends:
            process_state.capacity(frontend.name).resize(frontend.maxconn)
            if frontend.limits.handshakes is not None:
                process_state.handshakes(frontend.name).resize(frontend.limits.handshakes)

    def warnings(self, now: datetime) -> tuple[str, ...]:
        """Return the warnings about a usable configuration, at `now`: one line each."""
        return (
            *warnings_of(self.settings, self.certificates, self.complaints, self.trusts, self.server_files, now),
            *unreadable_warnings(self.certificates),
            *list_warnings(self.unusable_lists),
            *(
                f"systemd listens on {place}, by the name {name}, and no frontend binds it: its clients are not served"
                for name, place in self.process_state.sockets.idle
            ),
        )


def warnings_of(
    settings: config.Config,
    certificates: Certificates,
    complaints: Iterable[Complaint],
    trusts: TrustByProfile,
    server_files: ServerFiles,
    now: datetime,
) -> tuple[str, ...]:
    """Return the warnings about a configuration and its files, at `now`: one line each; it reads files."""
    return (
        *validity_warnings(certificates, now),
        *map(str, complaints),
        *key_warnings(certificates),
        *trust_warnings(trusts, now),
        *policy_warnings(settings),
        *secret_warnings(settings),
        *server_file_warnings(server_files, now),
        *map(str, remarks(settings)),
        *capacity_warnings(settings),
        *target_warnings(settings),
        *writable_warnings(settings, certificates),
    )


def list_warnings(unusable: Iterable[UnusableList]) -> Iterator[str]:
    """Warn about files in whose place earlier lists of networks stay in use."""
    return (f"{problem}; the former list stays in use" for problem in unusable)


def read_files(
    settings: config.Config,
    source: str,
    tls: TlsServers,
    store: CertificateStore,
    lists: Mapping[str, NetworkList] = NO_LISTS,
) -> Files:
    """
    Read the files that a configuration names, and check its values with OpenSSL and the header's rules.

    Needs no reactor, and may run in a thread beside one: of the process's objects it only reads `tls`, and uses
    `store`, the cache of files, and `lists`, the lists of networks in use. If a certificate or a list was valid before
    and is not any more, the old one is kept, with a warning. Raises `ConfigError`, as from the file `source`, with all
    other problems.
    """
    certificates, complaints, unusable = read_tls_files(settings, store)
    trusts, untrusted = read_trusts(settings)
    server_files, unverified = read_server_files(settings)
    unusable += (*untrusted, *policy_problems(settings), *secret_problems(settings), *unverified)
    read, unusable_lists = read_lists(settings.list_files, lists)
    kept = {one.path for one in read}
    unusable += tuple(
        Problem(settings.list_files[one.path], str(one)) for one in unusable_lists if one.path not in kept
    )
    if unusable:
        raise ConfigError(unusable, source)
    files = judge_files(settings, source, tls, certificates, trusts, server_files)
    path = settings.admin.http_token_file
    http = files.http if path is None else evolve(files.http, token=read_token(path))
    return evolve(files, complaints=complaints, lists=read, unusable_lists=unusable_lists, http=http)


def judge_files(
    settings: config.Config,
    source: str,
    tls: TlsServers,
    certificates: Certificates,
    trusts: TrustByProfile,
    server_files: ServerFiles,
) -> Files:
    """Do the second half of `read_files`: check the use of the files' contents."""
    problems: dict[str, Problem] = {}
    client_tls = client_sides(server_files)
    tls = tls.copy()
    servers: dict[str, TlsServer] = {}
    for name, protocol in settings.used_backends:
        try:
            Backend(settings.backends[name], protocol, client_tls)
        except ValueError as error:
            key = key_path("backend", name)
            problems[key] = Problem(key, str(error))
    for frontend in settings.frontends:
        if frontend.tls_profile is not None:
            profile = settings.tls[frontend.tls_profile]
            try:
                found, trust = certificates[frontend.tls_profile], trusts.get(frontend.tls_profile)
                servers[frontend.name] = tls.get(profile, found, frontend.alpn, trust)
            except ValueError as error:
                key = key_path("tls", frontend.tls_profile)
                problems[key] = Problem(key, str(error))
    http = Http()
    wanted = {(one.tls_profile, one.alpn) for one in settings.frontends if one.tls_profile is not None}
    if settings.admin.http_tls is not None:
        name = settings.admin.http_tls
        wanted.add((name, HTTP_ALPN))
        try:
            server = tls.get(settings.tls[name], certificates[name], HTTP_ALPN, trusts.get(name))
            http = Http(server, names=tuple(_names(name, certificates)))
        except ValueError as error:
            problems[key_path("tls", name)] = Problem(key_path("tls", name), str(error))
    if problems:
        raise ConfigError(problems.values(), source)
    tls.forget_others(wanted)
    hosts = {frontend.name: frontend.hostname or _host_name(frontend, certificates) for frontend in settings.frontends}
    return Files(certificates, trusts, server_files, tls, servers, client_tls, hosts, http=http)


def arrange(settings: config.Config, source: str, files: Files, process_state: ProcessState) -> Prepared:
    """
    Make everything for sessions from a configuration whose files are read and checked.

    Objects in `process_state` are used again if they fit; nothing there changes before `Prepared.adopt`, except that
    new counters get places. This is quick, and has to run in the thread that changes `process_state`, since it takes
    the servers' state from there.
    """
    process_state.counts.assign_places(settings)
    backends: dict[BackendKey, Backend] = {}
    for which in settings.used_backends:
        known: Mapping[str, BackendServer] = process_state.servers.get(which, {})
        name, protocol = which
        backends[which] = Backend(settings.backends[name], protocol, files.client_tls, known, process_state.overrides)
    frontends = []
    for frontend in settings.frontends:
        host = files.hosts[frontend.name]
        backend = backends[frontend.backend, frontend.protocol]
        named = {name: backends[name, frontend.protocol] for name in frontend.backends}
        surroundings = FrontSurroundings(settings, frontend.protocol, backends, process_state)
        has_tls = frontend.tls != "none"
        rules = (
            Rules(frontend.rules, surroundings, has_tls=has_tls, prefix=settings.limits.prefix)
            if frontend.rules
            else None
        )
        terms = Terms.of(
            frontend,
            backend,
            files.tls_servers.get(frontend.name),
            host,
            named,
            rules,
            counts_refused_logins=settings.counts_refused_logins,
        )
        frontends.append(PreparedFrontend(frontend, terms, host))
    return Prepared(
        settings,
        source,
        tuple(frontends),
        backends,
        files.certificates,
        files.complaints,
        files.lists,
        files.unusable_lists,
        files.trusts,
        files.server_files,
        files.tls,
        files.http,
        process_state,
    )


def prepare(
    settings: config.Config, source: str = "the configuration", process_state: ProcessState | None = None
) -> Prepared:
    """Read the files and make everything for sessions (see `read_files` and `arrange`)."""
    process_state = process_state or ProcessState()
    files = read_files(settings, source, process_state.tls, process_state.certificates, process_state.lists.known)
    return arrange(settings, source, files, process_state)


def _host_name(frontend: config.Frontend, certificates: Certificates) -> str:
    """Return a frontend's host name: the first name in its certificates, or else the machine's."""
    return next(_names(frontend.tls_profile or "", certificates), None) or socket.gethostname()


def _names(profile: str, certificates: Certificates) -> Iterator[str]:
    for certificate in certificates.get(profile, ()):
        yield from (name for name in certificate.names if "*" not in name)
