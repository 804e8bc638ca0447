"""What the tables of a configuration say of each other: names that must exist, ports, addresses taken twice."""

from collections.abc import Collection, Iterable, Iterator

from mailproxy.config.model import Backend, Bind, Config, Frontend, InetBind, InetServer, MailProtocol
from mailproxy.config.problems import Problem, Problems
from mailproxy.config.words import key_path, listed, nearest, quoted


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
        _check_ports(backend, config.frontends, problems)
    _check_binds(config.frontends, problems)


def _check_name(problems: Problems, table: str, name: str, names: Collection[str], key: str) -> None:
    if name in names or problems.at(key) or problems.at(key_path(table, name)):
        return
    meant = nearest(name, names)
    hint = f"; did you mean {quoted(meant)}?" if meant else ""
    problems.add(key, f"is {quoted(name)}, and there is no [{key_path(table, name)}]{hint}")


def _check_ports(backend: Backend, frontends: Iterable[Frontend], problems: Problems) -> None:
    """Every server without a port of its own needs one in `ports` for each protocol that is sent to it."""
    path = key_path("backend", backend.name)
    portless = [
        server.name
        for server in backend.servers
        if isinstance(server.address, InetServer) and server.address.port is None
    ]
    if not portless or problems.at(key_path(path, "ports")):
        return
    wanted: dict[MailProtocol, str] = {}
    for frontend in frontends:
        if frontend.backend == backend.name and not problems.at(key_path("frontend", frontend.name, "protocol")):
            wanted.setdefault(frontend.protocol, frontend.name)
    for protocol, name in wanted.items():
        if protocol not in backend.ports:
            problems.add(
                key_path(path, "ports"),
                f"has no {protocol}, which {key_path('frontend', name)} needs for {listed(portless)} "
                f"(addresses without a port); write ports = {{ {protocol} = PORT }}",
            )


def _check_binds(frontends: Iterable[Frontend], problems: Problems) -> None:
    taken: list[tuple[str, Bind]] = []
    for frontend in frontends:
        key = key_path("frontend", frontend.name, "bind")
        for bind in frontend.bind:
            for owner, other in taken:
                if _collide(other, bind):
                    where = "" if other == bind else f" with {other}"
                    problems.add(key, f"has {bind}, which {owner} has taken already{where}")
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
    """Find what is right and has no effect, which is no error: an admin may be in the middle of something."""
    return (*_unused(config), *_nothing_to_pass(config))


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


def _takes_headers(frontend: Frontend) -> bool:
    return bool(frontend.accept_proxy or frontend.accept_proxy_optional)
