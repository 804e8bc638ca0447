"""Remarks on valid keys that have no effect, or less than the admin probably expects."""

from collections.abc import Iterator

from mailproxy.config.backend import Backend
from mailproxy.config.config import Config
from mailproxy.config.format import Format
from mailproxy.config.frontend import Frontend
from mailproxy.config.log import Log
from mailproxy.config.place import InetBind
from mailproxy.config.problems import Problem
from mailproxy.config.rule_remarks import rule_remarks
from mailproxy.config.target import LogFile, Stdout
from mailproxy.config.unreachable import sender_remarks
from mailproxy.config.words import key_path
from mailproxy.mail.protocols import PROTOCOLS, TCP
from mailproxy.proxyprotocol import tlv_name


def remarks(config: Config) -> tuple[Problem, ...]:
    """Find valid keys with less effect than expected; not errors, because the file may be half-edited."""
    return (
        *_unused(config),
        *_nothing_to_pass(config),
        *_empty_fields(config),
        *sender_remarks(config),
        *rule_remarks(config),
        *_nobody_served(config),
        *_idle_settings(config),
        *_passwords_in_plaintext(config),
        *_headers_inside_tls(config),
        *_idle_facilities(config),
        *_token_in_plaintext(config),
    )


def _unused(config: Config) -> Iterator[Problem]:
    for table, names, used in (
        ("tls", config.tls, {*(frontend.tls_profile for frontend in config.frontends), config.admin.http_tls}),
        ("backend", config.backends, {name for frontend in config.frontends for name in frontend.backends}),
    ):
        for name in names:
            if name not in used:
                yield Problem(key_path(table, name), "is not used by any frontend")


def _nothing_to_pass(config: Config) -> Iterator[Problem]:
    for name, backend in config.backends.items():
        senders = [frontend for frontend in config.frontends if name in frontend.backends]
        if backend.pass_tlvs and senders and not any(map(_takes_headers, senders)):
            yield Problem(
                key_path("backend", name, "proxy-v2-pass-tlvs"),
                "has nothing to pass on: no frontend with this backend has accept-proxy",
            )


def _empty_fields(config: Config) -> Iterator[Problem]:
    """Find formats with fields of received TLVs that no frontend logs."""
    for name, backend in config.backends.items():
        types = {type for frontend in config.frontends if name in frontend.backends for type in frontend.log_tlvs}
        logged = tuple(f"tlv_{tlv_name(type).lower()}" for type in types)
        for tlv in backend.tlvs:
            fields = sorted(tlv.value.fields) if isinstance(tlv.value, Format) else ()
            for field in fields:
                # The fields of the SSL TLV are logged with it.
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


def _passwords_in_plaintext(config: Config) -> Iterator[Problem]:
    """Find clients that Dovecot treats as secured because mailproxy's own connection to it is."""
    for frontend in config.frontends:
        if frontend.tls == "starttls-optional" and any(
            backend.profile == "dovecot" and any(server.tls is not None for server in backend.servers)
            for backend in _backends(config, frontend)
        ):
            yield Problem(
                key_path("frontend", frontend.name, "tls"),
                'is "starttls-optional", and Dovecot takes passwords from clients without TLS where its listener has '
                "ssl = yes: it judges its own connection, not the client's",
            )


def _headers_inside_tls(config: Config) -> Iterator[Problem]:
    """Find clients whose own PROXY headers a server could accept: mailproxy looks for headers only in plaintext."""
    for frontend in config.frontends:
        if not _takes_headers(frontend) or frontend.tls == "none":
            continue
        for backend in _backends(config, frontend):
            if backend.send_proxy == "none":
                yield Problem(
                    key_path("backend", backend.name, "send-proxy"),
                    f'is "none", so no server learns the addresses that {key_path("frontend", frontend.name)} takes '
                    "from headers; servers must not take headers then: a client could claim an address inside TLS",
                )


def _backends(config: Config, frontend: Frontend) -> list[Backend]:
    return [config.backends[name] for name in frontend.backends if name in config.backends]


def _token_in_plaintext(config: Config) -> Iterator[Problem]:
    """Find a token that everyone on the way can read."""
    admin = config.admin
    is_local = not isinstance(admin.http, InetBind) or admin.http.host.is_loopback
    if admin.http_token_file is not None and admin.http_tls is None and not is_local:
        yield Problem(
            "admin.http",
            f"is {admin.http} without http-tls: the token of http-token-file crosses the network in plaintext",
        )


def _idle_settings(config: Config) -> Iterator[Problem]:
    """Find keys for waiting clients or backups in backends that have none."""
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
    for protocol in dict.fromkeys(protocol for name, protocol in config.used_backends if name == backend.name):
        is_tcp = protocol == TCP
        instead = "connects" if is_tcp else PROTOCOLS[protocol].instead_of_login
        if instead:
            yield Problem(
                key_path("backend", backend.name),
                f'has checks of type "login", and {protocol} has no login: the check {instead} instead',
            )


def _idle_facilities(config: Config) -> Iterator[Problem]:
    """Find facilities for targets that have none."""
    logs = [config.log, *config.frontend_logs.values()]
    if config.log.facility != Log().facility and all(isinstance(log.target, Stdout | LogFile) for log in logs):
        yield Problem("log.facility", "has no effect: no target is syslog or the journal")
    for frontend in config.frontends:
        target = frontend.log.over(config.log).target
        if frontend.log.facility is not None and isinstance(target, Stdout | LogFile):
            key = key_path("frontend", frontend.name, "log", "facility")
            yield Problem(key, f'has no effect: the target is "{target}", not syslog or the journal')
