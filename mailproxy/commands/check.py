"""Reads a configuration, certificates included, and reports every error at once."""

import errno
import json
import socket
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from typing import cast

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.config import DEFAULT_FILE, ConfigError, Problem, UnixBind, load
from mailproxy.config.model import MailProtocol
from mailproxy.config.schema import json_schema
from mailproxy.config.words import key_path
from mailproxy.front.prepare import Prepared, prepare
from mailproxy.proxyprotocol.tlv import TlvType
from mailproxy.tls.certificate import Certificate

# How long DNS has to tell where servers are, and how often that is looked at.
LOOK_UP_SECONDS = 5.0
LOOK_UP_PAUSE_SECONDS = 0.05


def configure(parser: ArgumentParser) -> None:
    """Name the arguments."""
    parser.add_argument(
        "--schema", action="store_true", help="read nothing; print the JSON schema of configurations, for editors"
    )
    parser.add_argument("--connect", action="store_true", help="also ask every server what it offers")
    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_FILE, help="default: %(default)s")
    parser.add_argument("file", metavar="FILE", nargs="?", help="the same without -c")


def run(arguments: Namespace) -> int:
    """Print every problem on stderr and return 1, or what would listen where on stdout and return 0."""
    if arguments.schema:
        print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return 0
    path = arguments.file or arguments.config
    try:
        settings = load(path)
        prepared = prepare(settings, path)
        bind_remarks = _try_binds(settings, path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    certificates = prepared.certificates
    now = datetime.now(UTC)
    print(f"{path}: good")
    for frontend in settings.frontends:
        print(_frontend_line(frontend, settings.backends[frontend.backend]))
    for name, found in certificates.items():
        for certificate in found:
            print(f"tls {name}: {_certificate_line(certificate, now)}")
    for warning in prepared.warnings(now):
        print(f"warning: {warning}", file=sys.stderr)
    for remark in bind_remarks:
        print(f"warning: {remark}", file=sys.stderr)
    return _ask_servers(prepared) if arguments.connect else 0


def _try_binds(settings: config.Config, path: str) -> tuple[str, ...]:
    """
    Try to listen where the frontends do, and give the addresses back at once.

    Return remarks on what is in use, which may be by mailproxy itself, or not for this user. Raises `ConfigError`, as
    from the file at `path`, for what the service cannot listen on either. UNIX sockets are not tried: to listen on one
    would take it away from a service that runs.
    """
    from mailproxy.transport.bound import bind_inet

    remarks, problems = [], []
    for frontend in settings.frontends:
        for bind in frontend.bind:
            key = key_path("frontend", frontend.name, "bind")
            if isinstance(bind, UnixBind):
                continue
            try:
                family = socket.AF_INET if bind.host.version == 4 else socket.AF_INET6
                bind_inet(family, str(bind.host), bind.port).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    remarks.append(f"{key}: {bind} is in use; by mailproxy, if it runs already")
                elif error.errno in (errno.EACCES, errno.EPERM):
                    remarks.append(f"{key}: {bind} was not tried: this user may not listen on port {bind.port}")
                else:
                    problems.append(Problem(key, f"{bind} cannot be listened on: {error.strerror or error}"))
    if problems:
        raise ConfigError(problems, path)
    return tuple(remarks)


def _ask_servers(prepared: Prepared) -> int:
    """Print what every server offers, or why it does not answer; 1 if there is one that does not."""
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime
    from twisted.internet.task import deferLater

    from mailproxy.checks.addresses import Addresses
    from mailproxy.checks.advice import CLEAR_ADVICE, STARTTLS_ADVICE, no_login_advice
    from mailproxy.checks.question import Lesson, Question
    from mailproxy.front.loop import Loop

    failures: list[str] = []
    loop = Loop(reactor)
    loop.start()
    clock = cast(IReactorTime, reactor)
    names = loop.names(prepared.settings.resolvers)
    addresses = [Addresses(backend, names, loop.poller) for backend in prepared.backends.values()]

    async def look_up() -> None:
        for of_backend in addresses:
            of_backend.start()
        for _ in range(round(LOOK_UP_SECONDS / LOOK_UP_PAUSE_SECONDS)):
            if all(of_backend.are_known for of_backend in addresses):
                return
            await deferLater(clock, LOOK_UP_PAUSE_SECONDS)

    async def ask_all() -> None:
        await look_up()
        questions: dict[tuple[Backend, MailProtocol, bool], config.Frontend] = {}
        for one in prepared.frontends:
            if one.terms.server_speaks_first:
                for with_tls in _legs(one.settings, one.terms.backend.settings):
                    questions.setdefault((one.terms.backend, one.terms.protocol, with_tls), one.settings)
        for (backend, protocol, with_tls), frontend in questions.items():
            for server in backend.pool.servers:
                if server.target is not None or not server.origin.settings.is_template:  # a slot may have no address
                    await ask_one(backend, server, protocol, frontend, with_tls=with_tls)

    async def ask_one(
        backend: Backend, server: BackendServer, protocol: MailProtocol, frontend: config.Frontend, *, with_tls: bool
    ) -> None:
        answer: Deferred[Lesson] = Deferred()
        Question(
            backend,
            server,
            protocol,
            "mailproxy",
            answer.callback,
            with_tls=with_tls,
            destination=frontend.destination,
            poller=loop.poller,
            timeouts=loop.timeouts,
        ).begin()
        lesson = await answer
        leg = "" if with_tls else " in clear"
        where = f"backend {backend.name}, server {server.name}, {protocol}{leg}"
        if lesson.capabilities is None:
            failures.append(where)
            print(f"{where}: {lesson.failure}", file=sys.stderr)
            return
        print(f"{where}: {', '.join(name.decode('ascii', 'replace') for name in lesson.capabilities)}")
        if lesson.still_offers_starttls:
            print(f"warning: {where}: {STARTTLS_ADVICE}", file=sys.stderr)
        if lesson.takes_passwords:
            print(f"warning: {where}: {CLEAR_ADVICE}", file=sys.stderr)
        if lesson.no_login and (with_tls or frontend.tls == "none"):
            advice = no_login_advice(lesson.no_login, backend.settings, with_tls=with_tls)
            print(f"warning: {where}: {advice}", file=sys.stderr)

    def stop(result: object) -> object:
        names.stop()
        reactor.callWhenRunning(reactor.stop)
        return result

    Deferred.fromCoroutine(ask_all()).addBoth(stop)
    reactor.run()
    return 1 if failures else 0


def _legs(frontend: config.Frontend, backend: config.Backend) -> tuple[bool, ...]:
    """Return for which clients a frontend's servers are asked: those on TLS (True), those in clear (False)."""
    if frontend.tls == "none":
        return (bool(frontend.tls_offloaded_by) or TlvType.SSL in backend.pass_tlvs,)
    return (True, False) if frontend.tls == "starttls-optional" else (True,)


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


def _server(backend: config.Backend, server: config.Server, protocol: MailProtocol) -> str:
    """Describe one server: where it is, and whatever makes it different from one in clear without checks."""
    name = f"{server.slots[0]} to {server.slots[-1]}" if server.count > 1 else server.slots[0]
    kind = server.check.type_for(protocol)
    facts = [
        "TLS" if server.tls is not None else "",
        "" if kind == "none" else f"{kind} checks",
        "backup" if server.backup else "",
        "" if server.state == "ready" else server.state,
    ]
    told = ", ".join(filter(None, facts))
    return f"{name} {backend.address(server, protocol)}" + (f" ({told})" if told else "")


def _certificate_line(certificate: Certificate, now: datetime) -> str:
    names = ", ".join(certificate.names) or "no name"
    kind = certificate.key_alg or certificate.sig_alg
    days = (certificate.not_after - now).days
    return f"{certificate.path}: {names}; {kind}; {days} days left, until {certificate.not_after:%Y-%m-%d}"
