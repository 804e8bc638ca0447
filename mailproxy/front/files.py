"""The files that a configuration names: read, checked, and what follows from their contents."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.config import ConfigError, Problem
from mailproxy.config.secret import read_token, secret_problems
from mailproxy.config.words import key_path
from mailproxy.networks.list_file import UnusableList
from mailproxy.networks.network_list import NO_LISTS, NetworkList, ReadList, read_lists
from mailproxy.tls.client import MakeClientTls, client_sides
from mailproxy.tls.complaint import Complaint
from mailproxy.tls.files import read_tls_files
from mailproxy.tls.policy import policy_problems
from mailproxy.tls.server import TlsServer
from mailproxy.tls.server_files import ServerFiles, read_server_files
from mailproxy.tls.servers import TlsServers
from mailproxy.tls.store import Certificates, CertificateStore
from mailproxy.tls.trust_files import TrustByProfile, read_trusts

HTTP_ALPN = ("http/1.1",)
"""The protocol of administrators' HTTP over TLS."""


@frozen
class Http:
    """What HTTP for administrators needs from files."""

    tls: TlsServer | None = None
    """None: HTTP is unencrypted."""
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
    """By the frontend's name; those without TLS have none."""
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
    read, unusable_lists = read_lists(settings.list_files, lists, settings.bans.lists)
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


def _host_name(frontend: config.Frontend, certificates: Certificates) -> str:
    """Return a frontend's host name: the first name in its certificates, or else the machine's."""
    return next(_names(frontend.tls_profile or "", certificates), None) or socket.gethostname()


def _names(profile: str, certificates: Certificates) -> Iterator[str]:
    for certificate in certificates.get(profile, ()):
        yield from (name for name in certificate.names if "*" not in name)
