"""Checks the tables of a configuration against each other: names that must exist, ports, addresses used twice."""

from collections.abc import Collection, Iterable, Mapping

from mailproxy.config.backend import Backend
from mailproxy.config.config import Config
from mailproxy.config.duration import written
from mailproxy.config.frontend import Frontend
from mailproxy.config.measure import MAX_RATES
from mailproxy.config.model import MailProtocol
from mailproxy.config.place import Bind, InetBind, InetServer, NamedServer, SrvServer, UnixBind
from mailproxy.config.problems import Problems
from mailproxy.config.rule import rule_key
from mailproxy.config.server import Server
from mailproxy.config.words import key_path, listed, nearest, quoted


def check_references(config: Config, problems: Problems) -> None:
    """Note everything that does not fit together, except at keys that already have a problem."""
    if not config.frontends and not problems.at("frontend"):
        problems.add("frontend", "is missing: write [frontend.NAME] with bind, protocol and backend")
    for frontend in config.frontends:
        _check_name(
            problems, "backend", frontend.backend, config.backends, key_path("frontend", frontend.name, "backend")
        )
        if frontend.tls_profile is not None and not problems.at(key_path("frontend", frontend.name, "tls")):
            _check_name(
                problems, "tls", frontend.tls_profile, config.tls, key_path("frontend", frontend.name, "tls-profile")
            )
        _check_rules(frontend, config, problems)
    for backend in config.backends.values():
        wanted = _wanted(backend, config.frontends, problems)
        _check_ports(backend, wanted, problems)
        _check_services(backend, wanted, problems)
        _check_check_ports(backend, wanted, problems)
        _check_slots(backend, problems)
    _check_binds(config.frontends, problems)
    _check_admin(config, problems)
    _check_group(config, problems)
    _check_rates(config, problems)


def _check_name(problems: Problems, table: str, name: str, names: Collection[str], key: str) -> None:
    if name in names or problems.at(key) or problems.at(key_path(table, name)):
        return
    meant = nearest(name, names)
    hint = f"; did you mean {quoted(meant)}?" if meant else ""
    problems.add(key, f"is {quoted(name)}, and there is no [{key_path(table, name)}]{hint}")


def _check_rules(frontend: Frontend, config: Config, problems: Problems) -> None:
    """Check the names in a frontend's rules."""
    frontends = [other.name for other in config.frontends]
    for number, rule in enumerate(frontend.rules):
        key = rule_key(frontend.name, number)
        if rule.backend is not None:
            _check_name(problems, "backend", rule.backend, config.backends, f"{key}.backend")
        for path, condition in rule.conditions:
            up, now = condition.servers_up, condition.sessions
            if up is not None and up.backend:
                _check_name(problems, "backend", up.backend, config.backends, f"{key}.{path}.servers-up.backend")
            if now is not None and now.backend is not None:
                _check_name(problems, "backend", now.backend, config.backends, f"{key}.{path}.sessions.backend")
            if now is not None and now.frontend is not None:
                _check_name(problems, "frontend", now.frontend, frontends, f"{key}.{path}.sessions.frontend")


def _wanted(backend: Backend, frontends: Iterable[Frontend], problems: Problems) -> dict[MailProtocol, str]:
    """Find the protocols that frontends use with a backend, each with one such frontend."""
    wanted: dict[MailProtocol, str] = {}
    for frontend in frontends:
        if backend.name in frontend.backends and not problems.at(key_path("frontend", frontend.name, "protocol")):
            wanted.setdefault(frontend.protocol, key_path("frontend", frontend.name))
    return wanted


def _check_ports(backend: Backend, wanted: Mapping[MailProtocol, str], problems: Problems) -> None:
    """Check that `ports` has a port for each protocol, for servers whose address has none."""
    key = key_path("backend", backend.name, "ports")
    portless = [
        server.name
        for server in backend.servers
        if isinstance(server.address, InetServer | NamedServer) and server.address.port is None
    ]
    if not portless or problems.at(key):
        return
    for protocol, frontend in wanted.items():
        if protocol not in backend.ports:
            problems.add(
                key,
                f"has no {protocol}, which {frontend} needs for {listed(portless)} "
                f"(addresses without a port); write ports = {{ {protocol} = PORT }}",
            )


def _check_services(backend: Backend, wanted: Mapping[MailProtocol, str], problems: Problems) -> None:
    """Refuse SRV records for several protocols: their ports are for one service."""
    for server in backend.servers:
        if isinstance(server.address, SrvServer) and len(wanted) > 1:
            _add(
                problems,
                _server_key(backend, server),
                f'is "{server.address}", one service, and {_protocols_of(wanted)}; make a backend for each, '
                "or write a host name here and their ports in `ports`",
            )


def _check_check_ports(backend: Backend, wanted: Mapping[MailProtocol, str], problems: Problems) -> None:
    """Refuse a check's port for several protocols: a port greets in one protocol."""
    for server in backend.servers:
        check = server.check
        if check.port is not None and check.type in ("mail", "login") and len(wanted) > 1:
            _add(
                problems,
                key_path(_server_key(backend, server), "check", "port"),
                f'is {check.port}, and {_protocols_of(wanted)}: checks of type "{check.type}" speak one protocol, and '
                "a port has only one; leave it out, or make a backend for each",
            )


def _check_admin(config: Config, problems: Problems) -> None:
    """Refuse an address for administrators that something else has, and a missing TLS profile."""
    admin = config.admin
    socket = None if admin.socket is None else UnixBind(admin.socket)
    if socket is not None and socket == admin.http:
        _add(problems, "admin.http", f"is {quoted(socket.path)}, which admin.socket has too")
    for frontend in config.frontends:
        key = key_path("frontend", frontend.name, "bind")
        for name, place in (("admin.socket", socket), ("admin.http", admin.http)):
            if place is not None and any(_collide(place, bind) for bind in frontend.bind):
                _add(problems, name, f"is {quoted(str(place))}, which {key} has too")
    if admin.http_tls is not None:
        _check_name(problems, "tls", admin.http_tls, config.tls, "admin.http-tls")


def _check_group(config: Config, problems: Problems) -> None:
    """Refuse a group without a user."""
    if config.group is not None and config.user is None:
        _add(problems, "group", f'is {quoted(config.group)}, and there is no user; write user = "NAME" as well')


def _protocols_of(wanted: Mapping[MailProtocol, str]) -> str:
    return " and ".join(f"{frontend} speaks {protocol}" for protocol, frontend in wanted.items())


def _check_slots(backend: Backend, problems: Problems) -> None:
    """Refuse servers with the same name, including those that templates make."""
    makers: dict[str, Server] = {}
    for server in backend.servers:
        clash = next((slot for slot in server.slots if slot in makers), None)
        if clash is not None:
            other = makers[clash]
            template, rival = (server, other) if server.is_template else (other, server)
            _add(
                problems,
                _server_key(backend, template),
                f"makes a server {quoted(clash)}, as [{_server_key(backend, rival)}] does; rename one of them",
            )
        makers |= dict.fromkeys(server.slots, server)


def _server_key(backend: Backend, server: Server) -> str:
    return key_path("backend", backend.name, "server", server.name)


def _add(problems: Problems, key: str, message: str) -> None:
    """Note a problem, unless the key already has one."""
    if not problems.at(key):
        problems.add(key, message)


def _check_binds(frontends: Iterable[Frontend], problems: Problems) -> None:
    taken: list[tuple[str, Bind]] = []
    for frontend in frontends:
        key = key_path("frontend", frontend.name, "bind")
        for bind in frontend.bind:
            for owner, other in taken:
                if _collide(other, bind):
                    where = "" if other == bind else f" with {other}"
                    problems.add(key, f"has {bind}, where {owner} listens already{where}")
                    break
            taken.append((key, bind))


def _collide(one: Bind, other: Bind) -> bool:
    """Return whether Linux would refuse the second: the unspecified address uses the port of every address."""
    if isinstance(one, InetBind) and isinstance(other, InetBind):
        return (
            one.port == other.port != 0
            and one.host.version == other.host.version
            and (one.host == other.host or one.host.is_unspecified or other.host.is_unspecified)
        )
    return one == other


def _check_rates(config: Config, problems: Problems) -> None:
    """Refuse more rates than an entry of the table of sources has."""
    rates = config.rule_rates
    if len(rates) > MAX_RATES:
        found = ", ".join(f"{counted} in {written(seconds)}" for counted, seconds in sorted(rates))
        _add(problems, "limits", f"rules use {len(rates)} rates; at most {MAX_RATES} are possible: {found}")
