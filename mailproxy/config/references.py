"""What the tables of a configuration say of each other: names that must exist, ports, addresses taken twice."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from mailproxy.config.backend import Backend
from mailproxy.config.config import Config
from mailproxy.config.format import Format
from mailproxy.config.frontend import Frontend
from mailproxy.config.model import MailProtocol
from mailproxy.config.place import Bind, InetBind, InetServer, NamedServer, SrvServer
from mailproxy.config.problems import Problem, Problems
from mailproxy.config.server import Server
from mailproxy.config.unreachable import sender_remarks
from mailproxy.config.words import key_path, listed, nearest, quoted
from mailproxy.mail.protocols import PROTOCOLS, TCP
from mailproxy.proxyprotocol import tlv_name


def check_references(config: Config, problems: Problems) -> None:
    """Note everything that does not fit together, unless something is already known to be wrong there."""
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
    for backend in config.backends.values():
        wanted = _wanted(backend, config.frontends, problems)
        _check_ports(backend, wanted, problems)
        _check_services(backend, wanted, problems)
        _check_check_ports(backend, wanted, problems)
        _check_slots(backend, problems)
    _check_binds(config.frontends, problems)


def _check_name(problems: Problems, table: str, name: str, names: Collection[str], key: str) -> None:
    if name in names or problems.at(key) or problems.at(key_path(table, name)):
        return
    meant = nearest(name, names)
    hint = f"; did you mean {quoted(meant)}?" if meant else ""
    problems.add(key, f"is {quoted(name)}, and there is no [{key_path(table, name)}]{hint}")


def _wanted(backend: Backend, frontends: Iterable[Frontend], problems: Problems) -> dict[MailProtocol, str]:
    """Find the protocols that are sent to a backend, each with a frontend that does so."""
    wanted: dict[MailProtocol, str] = {}
    for frontend in frontends:
        if frontend.backend == backend.name and not problems.at(key_path("frontend", frontend.name, "protocol")):
            wanted.setdefault(frontend.protocol, key_path("frontend", frontend.name))
    return wanted


def _check_ports(backend: Backend, wanted: Mapping[MailProtocol, str], problems: Problems) -> None:
    """Every server without a port of its own needs one in `ports` for each protocol that is sent to it."""
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
    """SRV records have the ports of one service."""
    for server in backend.servers:
        if isinstance(server.address, SrvServer) and len(wanted) > 1:
            _add(
                problems,
                _server_key(backend, server),
                f'is "{server.address}", one service, and {_spoken(wanted)}; make a backend for each, '
                "or write a host name here and their ports in `ports`",
            )


def _check_check_ports(backend: Backend, wanted: Mapping[MailProtocol, str], problems: Problems) -> None:
    """No port greets in two protocols."""
    for server in backend.servers:
        check = server.check
        if check.port is not None and check.type in ("mail", "login") and len(wanted) > 1:
            _add(
                problems,
                key_path(_server_key(backend, server), "check", "port"),
                f'is {check.port}, and {_spoken(wanted)}: checks of type "{check.type}" speak the protocol, which no '
                "port does for several; leave it out, or make a backend for each",
            )


def _spoken(wanted: Mapping[MailProtocol, str]) -> str:
    return " and ".join(f"{frontend} speaks {protocol}" for protocol, frontend in wanted.items())


def _check_slots(backend: Backend, problems: Problems) -> None:
    """Every server has a name of its own, those that templates make included."""
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
    """Note a problem unless something is known to be wrong there."""
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
    """Say whether Linux would refuse the second: the unspecified address takes the port of every other one."""
    if isinstance(one, InetBind) and isinstance(other, InetBind):
        return (
            one.port == other.port != 0
            and one.host.version == other.host.version
            and (one.host == other.host or one.host.is_unspecified or other.host.is_unspecified)
        )
    return one == other


def remarks(config: Config) -> tuple[Problem, ...]:
    """Find what is right and does less than was meant; no error, since an admin may be in the middle of something."""
    return (
        *_unused(config),
        *_nothing_to_pass(config),
        *_empty_fields(config),
        *sender_remarks(config),
        *_nobody_served(config),
        *_idle_settings(config),
        *_passwords_in_clear(config),
        *_headers_inside_tls(config),
    )


def _unused(config: Config) -> Iterator[Problem]:
    for table, names, used in (
        ("tls", config.tls, {frontend.tls_profile for frontend in config.frontends}),
        ("backend", config.backends, {frontend.backend for frontend in config.frontends}),
    ):
        for name in names:
            if name not in used:
                yield Problem(key_path(table, name), "is not used by any frontend")


def _nothing_to_pass(config: Config) -> Iterator[Problem]:
    for name, backend in config.backends.items():
        senders = [frontend for frontend in config.frontends if frontend.backend == name]
        if backend.pass_tlvs and senders and not any(map(_takes_headers, senders)):
            yield Problem(
                key_path("backend", name, "proxy-v2-pass-tlvs"),
                "has nothing to pass on: no frontend with this backend has accept-proxy",
            )


def _empty_fields(config: Config) -> Iterator[Problem]:
    """Find fields of formats for received TLVs that no frontend reads."""
    for name, backend in config.backends.items():
        types = {type for frontend in config.frontends if frontend.backend == name for type in frontend.log_tlvs}
        logged = tuple(f"tlv_{tlv_name(type).lower()}" for type in types)
        for tlv in backend.tlvs:
            fields = sorted(tlv.value.fields) if isinstance(tlv.value, Format) else ()
            for field in fields:
                # What the SSL TLV has in it is logged with it.
                if field.startswith("tlv_") and not any(field == one or field.startswith(f"{one}_") for one in logged):
                    yield Problem(
                        key_path("backend", name),
                        f"has a format with {{{field}}}, which is always empty: "
                        "no frontend with this backend has it in log-tlvs",
                    )


def _takes_headers(frontend: Frontend) -> bool:
    return bool(frontend.accept_proxy or frontend.accept_proxy_optional)


def _nobody_served(config: Config) -> Iterator[Problem]:
    for name, backend in config.backends.items():
        if not any(server.weight > 0 and server.state == "ready" for server in backend.servers):
            yield Problem(key_path("backend", name), "sends clients to no server: each has weight 0, or is not ready")


def _passwords_in_clear(config: Config) -> Iterator[Problem]:
    """Find clients that Dovecot takes for secured, because our own connection to it is."""
    for frontend in config.frontends:
        backend = config.backends.get(frontend.backend)
        if (
            frontend.tls == "starttls-optional"
            and backend is not None
            and backend.profile == "dovecot"
            and any(server.tls is not None for server in backend.servers)
        ):
            yield Problem(
                key_path("frontend", frontend.name, "tls"),
                'is "starttls-optional", and Dovecot takes passwords from clients in clear where its listener has '
                "ssl = yes: it judges its own connection, not the client's",
            )


def _headers_inside_tls(config: Config) -> Iterator[Problem]:
    """Find clients whose own PROXY headers a server could believe: they are looked for in clear only."""
    for frontend in config.frontends:
        backend = config.backends.get(frontend.backend)
        if _takes_headers(frontend) and frontend.tls != "none" and backend is not None and backend.send_proxy == "none":
            yield Problem(
                key_path("backend", backend.name, "send-proxy"),
                f'is "none", so no server learns the addresses that {key_path("frontend", frontend.name)} takes from '
                "headers; servers must not take headers then: a client could claim an address inside TLS",
            )


def _idle_settings(config: Config) -> Iterator[Problem]:
    """Find what waits for something that is not there."""
    for name, backend in config.backends.items():
        path = key_path("backend", name)
        if not any(server.maxconn for server in backend.servers):
            if backend.maxqueue:
                yield Problem(key_path(path, "maxqueue"), "has no effect: no server has maxconn, so nobody waits")
            if backend.timeout.queue is not None:
                yield Problem(
                    key_path(path, "timeout", "queue"), "has no effect: no server has maxconn, so nobody waits"
                )
        if backend.allbackups and not any(server.backup for server in backend.servers):
            yield Problem(key_path(path, "allbackups"), "has no effect: no server is a backup")
        yield from _replaced_logins(config, backend)


def _replaced_logins(config: Config, backend: Backend) -> Iterator[Problem]:
    if not any(server.check.type == "login" for server in backend.servers):
        return
    for protocol in dict.fromkeys(
        frontend.protocol for frontend in config.frontends if frontend.backend == backend.name
    ):
        is_tcp = protocol == TCP
        instead = "connects" if is_tcp else PROTOCOLS[protocol].instead_of_login
        if instead:
            yield Problem(
                key_path("backend", backend.name),
                f'has checks of type "login", and {protocol} has no login: the check {instead} instead',
            )
