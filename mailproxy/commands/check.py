"""Reads a configuration, certificates included, and reports every error at once."""

import errno
import json
import socket
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Protocol

from mailproxy import config
from mailproxy.commands.explain import explain_rules
from mailproxy.config import DEFAULT_FILE, ConfigError, Problem, SystemdBind, UnixBind, load
from mailproxy.config.model import MailProtocol
from mailproxy.config.place import InetBind
from mailproxy.config.schema import json_schema
from mailproxy.config.words import key_path, printable
from mailproxy.control.call import NoService
from mailproxy.control.compare import Comparison, against_running, kept_by_running
from mailproxy.front.prepare import prepare
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.expiry import expiring
from mailproxy.tls.store import Certificates


class Listening(Protocol):
    """A socket that listens."""

    def close(self) -> None:
        """Listen no more."""


Bind = Callable[[socket.AddressFamily, str, int], Listening]
"""Listens on an address and port."""


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    parser.add_argument(
        "--schema", action="store_true", help="read nothing; print the JSON schema of configurations, for editors"
    )
    parser.add_argument(
        "--explain",
        nargs=2,
        metavar=("FRONTEND", "FACTS"),
        help="say which of a frontend's rules decides for a client: 'source=192.0.2.1 sni=mail.example.org'",
    )
    parser.add_argument("--connect", action="store_true", help="also ask every server what it offers")
    parser.add_argument(
        "--against-running", action="store_true", help="also ask the running service, and print what a reload changes"
    )
    parser.add_argument("--socket", metavar="PATH", help="its admin socket, if not the file's")
    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_FILE, help="default: %(default)s")
    parser.add_argument("file", metavar="FILE", nargs="?", help="the same without -c")


def run(arguments: Namespace, bind: Bind | None = None) -> int:
    """Print every problem on stderr and return 1; or print the addresses of the frontends and return 0."""
    if arguments.schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return 0
    path = arguments.file or arguments.config
    others = [key for key in ("connect", "against_running") if getattr(arguments, key)]
    if arguments.explain and others:
        option = others[0].replace("_", "-")
        print(f"--explain asks neither servers nor the running service; leave --{option} out", file=sys.stderr)
        return 2
    return explain_rules(path, *arguments.explain) if arguments.explain else _check(path, arguments, bind)


def _check(path: str, arguments: Namespace, bind: Bind | None) -> int:
    settings = None
    try:
        settings = load(path)
        prepared = prepare(settings, path)
        bind_remarks = _try_binds(settings, path, bind)
    except ConfigError as error:
        if settings is not None and arguments.against_running and _keeps(settings, arguments.socket, error.problems):
            return _print_differences(_compare(settings, arguments.socket))
        print(error, file=sys.stderr)
        return 1
    now = datetime.now(UTC)
    print(f"{path}: good")
    _print_parts(settings, prepared.files.certificates, now)
    for warning in (*prepared.warnings(now), *expiring(chain(*prepared.files.certificates.values()), now)):
        print(f"warning: {warning}", file=sys.stderr)
    running = _compare(settings, arguments.socket) if arguments.against_running else None
    for place, remark in bind_remarks.items():
        if running is None or place not in running.binds:
            print(f"warning: {remark}", file=sys.stderr)
    status = _print_differences(running) if arguments.against_running else 0
    if not arguments.connect:
        return status
    from mailproxy.commands.capabilities import ask_servers  # with the reactor, which nothing else here needs

    return ask_servers(prepared) or status


def _print_parts(settings: config.Config, certificates: Certificates, now: datetime) -> None:
    for frontend in settings.frontends:
        print(_frontend_line(frontend, settings.backends[frontend.backend]))
        if frontend.rules:
            print(_rules_line(frontend, settings))
    for name, found in certificates.items():
        for certificate in found:
            print(f"tls {name}: {_certificate_line(certificate, now)}")


def _keeps(settings: config.Config, socket: str | None, problems: Sequence[Problem]) -> bool:
    """Print problems as a reload's warnings, if the running service has earlier files in place of them all."""
    path = socket or settings.admin.socket
    try:
        kept = () if path is None else kept_by_running(settings, problems, path)
    except NoService as error:
        print(printable(str(error)), file=sys.stderr)
        return False
    if len(kept) < len(problems):
        return False
    for problem in kept:
        previous = "previous list" if problem.key in settings.list_files.values() else "previous one"
        print(f"warning: {problem}; the {previous} stays in use", file=sys.stderr)
    print("a reload of the running service succeeds, with these warnings; a start would fail")
    return True


def _compare(settings: config.Config, socket: str | None) -> Comparison | None:
    """Compare with the running service; print why that cannot be done, and return None."""
    path = socket or settings.admin.socket
    try:
        if path is None:
            raise NoService("the running service cannot be asked: there is no [admin] socket; --socket PATH names one")
        return against_running(settings, path)
    except NoService as error:
        print(printable(str(error)), file=sys.stderr)
        return None


def _print_differences(running: Comparison | None) -> int:
    """Print what a reload of the running service changes; 1 if there is none."""
    if running is None:
        return 1
    for difference in running.differences:
        when = ", which takes effect when mailproxy is restarted" if difference.needs_restart else ""
        print(f"{difference}{when}")
    if not running.differences:
        print("a reload of the running service changes nothing but what is in other files")
    return 0


def _try_binds(settings: config.Config, path: str, bind: Bind | None) -> dict[InetBind, str]:
    """
    Try to listen on the frontends' addresses, and release them at once.

    Return remarks on addresses that are in use, perhaps by mailproxy itself, or not allowed for this user. Raises
    `ConfigError`, as from the file at `path`, for addresses that the service cannot use either. UNIX sockets are not
    tried: that would take them away from a running service. Nor are those that systemd hands over.
    """
    from mailproxy.transport.binding import bind_inet

    listen = bind or bind_inet
    remarks, problems = {}, []
    for frontend in settings.frontends:
        for place in frontend.bind:
            key = key_path("frontend", frontend.name, "bind")
            if isinstance(place, UnixBind | SystemdBind):
                continue
            try:
                family = socket.AF_INET if place.host.version == 4 else socket.AF_INET6
                listen(family, str(place.host), place.port).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    remarks[place] = f"{key}: {place} is in use; by mailproxy, if it runs already"
                elif error.errno in (errno.EACCES, errno.EPERM):
                    remarks[place] = f"{key}: {place} was not tried: this user may not listen on port {place.port}"
                else:
                    problems.append(Problem(key, f"{place} cannot be listened on: {error.strerror or error}"))
    if problems:
        raise ConfigError(problems, path)
    return remarks


def _frontend_line(frontend: config.Frontend, backend: config.Backend) -> str:
    tls = "no TLS" if frontend.tls_profile is None else f"{frontend.tls} TLS, profile {frontend.tls_profile}"
    if frontend.tls_offloaded_by:
        tls += f", offloaded by {', '.join(map(str, frontend.tls_offloaded_by))}"
    binds = ", ".join(map(str, frontend.bind))
    servers = ", ".join(_server(backend, server, frontend.protocol) for server in backend.servers)
    header = "no PROXY header" if backend.send_proxy == "none" else f"send-proxy {backend.send_proxy}"
    return (
        f"frontend {frontend.name}: {frontend.protocol} on {binds}, {tls}; "
        f"backend {backend.name}, {backend.balance}: {servers}; {header}"
    )


def _rules_line(frontend: config.Frontend, settings: config.Config) -> str:
    rules = ", ".join(rule.name for rule in frontend.rules)
    others = [settings.backends[name] for name in frontend.backends if name != frontend.backend]
    servers = (", ".join(_server(backend, one, frontend.protocol) for one in backend.servers) for backend in others)
    named = (f"; backend {backend.name}: {found}" for backend, found in zip(others, servers, strict=True))
    return f"frontend {frontend.name}: rules {rules}{''.join(named)}"


def _server(backend: config.Backend, server: config.Server, protocol: MailProtocol) -> str:
    """Describe one server: its address, TLS, checks and state."""
    name = f"{server.slots[0]} to {server.slots[-1]}" if server.count > 1 else server.slots[0]
    kind = server.check.type_for(protocol)
    facts = [
        "TLS" if server.tls is not None else "",
        "" if kind == "none" else f"{kind} checks",
        "backup" if server.backup else "",
        "" if server.state == "ready" else server.state,
    ]
    details = ", ".join(filter(None, facts))
    return f"{name} {backend.address(server, protocol)}" + (f" ({details})" if details else "")


def _certificate_line(certificate: Certificate, now: datetime) -> str:
    names = ", ".join(certificate.names) or "no name"
    kind = certificate.key_alg or certificate.sig_alg
    days = (certificate.not_after - now).days
    return f"{certificate.path}: {names}; {kind}; {days} days left, until {certificate.not_after:%Y-%m-%d}"
