"""Makes everything for sessions from a configuration, except sockets: the common part of a start and a check."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.front.admin import admin_places
from mailproxy.front.descriptors import affordable_sessions, raise_limit
from mailproxy.front.files import Files, read_files
from mailproxy.front.process_state import BackendKey, ProcessState
from mailproxy.front.sockets import StartError
from mailproxy.front.surroundings import FrontSurroundings
from mailproxy.front.unreadable import unreadable_warnings
from mailproxy.front.warnings import warnings_of
from mailproxy.networks.network_set import NetworkSet
from mailproxy.rules.rules import Rules
from mailproxy.session.terms import Terms


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
    files: Files
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
        process_state.tls = self.files.tls
        entries = {name: profile.certificates for name, profile in self.settings.tls.items()}
        process_state.certificates.adopt(self.files.certificates, entries)
        process_state.certificates.remember(self.files.complaints)
        for read in self.files.lists:
            process_state.lists.take(read)
        for problem in self.files.unusable_lists:
            process_state.lists.refuse(problem.path, str(problem))
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
            *warnings_of(self.settings, self.files, now),
            *unreadable_warnings(self.files.certificates),
            *(
                f"systemd listens on {place}, by the name {name}, and no frontend binds it: its clients are not served"
                for name, place in self.process_state.sockets.idle
            ),
        )


def arrange(settings: config.Config, source: str, files: Files, process_state: ProcessState) -> Prepared:
    """
    Make everything for sessions from a configuration whose files are read and checked.

    Objects in `process_state` are used again if they fit; nothing there changes before `Prepared.adopt`, except that
    new counters get places. This is quick, and has to run in the thread that changes `process_state`, because it takes
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
    return Prepared(settings, source, tuple(frontends), backends, files, process_state)


def prepare(
    settings: config.Config, source: str = "the configuration", process_state: ProcessState | None = None
) -> Prepared:
    """Read the files and make everything for sessions (see `read_files` and `arrange`)."""
    process_state = process_state or ProcessState()
    files = read_files(settings, source, process_state.tls, process_state.certificates, process_state.lists.known)
    return arrange(settings, source, files, process_state)
