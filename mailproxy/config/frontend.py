"""Reads ``[frontend.NAME]``: what clients connect to."""

from typing import get_args

from attrs import evolve

from mailproxy.config.key import read_keys
from mailproxy.config.kind import one_of
from mailproxy.config.model import Frontend, FrontendTimeouts, FrontendTls
from mailproxy.config.senders import overlap
from mailproxy.config.table import Table
from mailproxy.config.words import quoted
from mailproxy.mail.protocols import TCP


def read_frontend(name: str, table: Table) -> Frontend:
    """Read one frontend."""
    tls: FrontendTls = table.take("tls", one_of(get_args(FrontendTls)), "implicit")
    usual = Frontend(name=name, bind=(), protocol=TCP, tls=tls, backend="")
    frontend = evolve(read_keys(table, usual), timeout=table.child("timeout", _read_timeouts))
    _check_tls(frontend, table)
    _check_accept_proxy(frontend, table)
    return frontend


def _read_timeouts(table: Table) -> FrontendTimeouts:
    return read_keys(table, FrontendTimeouts())


def _check_tls(frontend: Frontend, table: Table) -> None:
    if frontend.tls == "none":
        for key in ("tls-profile", "alpn"):
            if key in table:
                table.wrong(key, 'has no effect with tls = "none"; leave it out or use tls = "implicit"')
    elif frontend.tls_offloaded_by and table.sound("tls"):
        table.wrong("tls-offloaded-by", f'is for tls = "none"; with "{frontend.tls}" it is mailproxy that ends TLS')
    if not frontend.has_starttls:
        for key in ("hostname", "capabilities"):
            if key in table:
                table.wrong(key, 'is for tls = "starttls" and "starttls-optional"; leave it out')
    elif frontend.protocol == TCP and table.sound("protocol"):
        table.wrong("tls", f'is {quoted(frontend.tls)}, and protocol = "tcp" has no STARTTLS')


def _check_accept_proxy(frontend: Frontend, table: Table) -> None:
    if not table.sound("accept-proxy", "accept-proxy-optional"):
        return
    for optional in frontend.accept_proxy_optional:
        for required in frontend.accept_proxy:
            if overlap(optional, required):
                table.wrong(
                    "accept-proxy-optional",
                    f"has {optional}, which overlaps {required} of accept-proxy; a header is one or the other",
                )
    has_senders = bool(frontend.accept_proxy or frontend.accept_proxy_optional)
    if frontend.accept_proxy_only and not has_senders:
        table.wrong("accept-proxy-only", "needs networks in accept-proxy, or nobody could connect")
    if frontend.log_tlvs and not has_senders:
        table.wrong("log-tlvs", "needs networks in accept-proxy: TLVs only come with a PROXY header")
