"""Senders of PROXY headers that cannot connect, and clients that are all refused."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network

from mailproxy.config.backend import Backend
from mailproxy.config.config import Config
from mailproxy.config.frontend import Frontend
from mailproxy.config.place import UNIX, Bind, InetBind, Sender, SystemdBind
from mailproxy.config.problems import Problem
from mailproxy.config.timeouts import FrontendTimeouts
from mailproxy.config.words import key_path

_FAMILIES = {4: "an IPv4 address", 6: "an IPv6 address", UNIX: "a UNIX socket"}

_Family = int | str


def sender_remarks(config: Config) -> Iterator[Problem]:
    """Find senders that cannot connect, and clients that are all refused."""
    for frontend in config.frontends:
        key = key_path("frontend", frontend.name)
        for name, senders in _lists(frontend):
            yield from _unreachable(key_path(key, name), senders, frontend.bind)
        if frontend.accept_proxy_only:
            yield from _refused(key, frontend)
        yield from _timeouts(key_path(key, "timeout"), frontend)
        if frontend.tls_offloaded_by:
            backends = [config.backends[name] for name in frontend.backends if name in config.backends]
            yield from _offloaded(key_path(key, "tls-offloaded-by"), frontend, backends)


def _lists(frontend: Frontend) -> Iterator[tuple[str, tuple[Sender, ...]]]:
    yield "accept-proxy", frontend.accept_proxy
    yield "accept-proxy-optional", frontend.accept_proxy_optional
    yield "tls-offloaded-by", frontend.tls_offloaded_by


def _family(place: Sender | Bind) -> _Family:
    match place:
        case InetBind(host=host):
            return host.version
        case IPv4Network() | IPv6Network():
            return place.version
    return UNIX


def _unreachable(key: str, senders: Iterable[Sender], binds: Iterable[Bind]) -> Iterator[Problem]:
    if any(isinstance(bind, SystemdBind) for bind in binds):
        return  # what these are is in systemd's units
    bound = {_family(bind) for bind in binds}
    first = {_family(sender): sender for sender in reversed(tuple(senders))}
    for family, sender in first.items():
        if family not in bound:
            yield Problem(key, f'has "{sender}", which has no effect: no bind is {_FAMILIES[family]}')


def _refused(key: str, frontend: Frontend) -> Iterator[Problem]:
    senders = {_family(sender) for sender in frontend.accept_proxy + frontend.accept_proxy_optional}
    for bind in frontend.bind:
        if not isinstance(bind, SystemdBind) and _family(bind) not in senders:
            yield Problem(
                key_path(key, "accept-proxy-only"),
                f"lets no client in at {bind}: no entry of accept-proxy is {_FAMILIES[_family(bind)]}",
            )


def _timeouts(key: str, frontend: Frontend) -> Iterator[Problem]:
    usual = FrontendTimeouts()
    if frontend.timeout.proxy_header != usual.proxy_header and not (
        frontend.accept_proxy or frontend.accept_proxy_optional
    ):
        yield Problem(key_path(key, "proxy-header"), "has no effect: there is no accept-proxy")
    if frontend.timeout.proxy_header_optional != usual.proxy_header_optional and not frontend.accept_proxy_optional:
        yield Problem(key_path(key, "proxy-header-optional"), "has no effect: there is no accept-proxy-optional")


def _offloaded(key: str, frontend: Frontend, backends: Iterable[Backend]) -> Iterator[Problem]:
    if UNIX in frontend.tls_offloaded_by and UNIX not in frontend.accept_proxy + frontend.accept_proxy_optional:
        yield Problem(
            key,
            f'has "{UNIX}", which has no effect without "{UNIX}" in accept-proxy: servers get LOCAL for a client '
            "without an address, and do not read its TLS there",
        )
    for backend in backends:
        if not backend.reports_tls:
            yield Problem(
                key,
                f'has no effect: send-proxy = "{backend.send_proxy}" of {key_path("backend", backend.name)} tells no '
                'server of TLS; "v2-ssl" does',
            )
