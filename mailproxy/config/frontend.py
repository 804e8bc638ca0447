"""Reads ``[frontend.NAME]``: what clients connect to."""

from typing import get_args

from mailproxy.config.address import BINDS
from mailproxy.config.hostname import HOST_NAME
from mailproxy.config.key import read_keys
from mailproxy.config.kind import BOOLEAN, NAME, Kind, Wrong, integer, one_of
from mailproxy.config.model import Frontend, FrontendTimeouts, FrontendTls
from mailproxy.config.senders import SENDER, overlap
from mailproxy.config.table import Table
from mailproxy.config.tlv import TLV_TYPE
from mailproxy.config.words import quoted
from mailproxy.mail.protocols import TCP, protocol_words

_TLS: Kind[FrontendTls] = one_of(get_args(FrontendTls))
_MAXCONN = integer(1, 10_000_000)


def _alpn(name: str) -> str:
    if not (name.isascii() and name.isprintable() and 1 <= len(name) <= 255):
        raise Wrong(f"is {quoted(name)}; a protocol name has 1 to 255 printable ASCII characters")
    return name


_ALPN: Kind[str] = Kind((str,), 'a protocol name such as "imap"', _alpn)


def _capability(name: str) -> str:
    if not (name.isascii() and name.isprintable() and name.strip() == name and 1 <= len(name) <= 255):
        raise Wrong(f"is {quoted(name)}; a capability has 1 to 255 printable ASCII characters")
    return name


_CAPABILITY: Kind[str] = Kind((str,), 'a capability such as "IDLE"', _capability)


def read_frontend(name: str, table: Table) -> Frontend:
    """Read one frontend."""
    tls: FrontendTls = table.take("tls", _TLS, "implicit")
    usual = Frontend(name=name, bind=(), protocol=TCP, tls=tls, backend="")
    frontend = Frontend(
        name=name,
        bind=tuple(bind for binds in table.require_each("bind", BINDS) for bind in binds),
        protocol=table.require("protocol", one_of(protocol_words()), usual.protocol),
        tls=tls,
        tls_profile=table.take("tls-profile", NAME, usual.tls_profile),
        alpn=table.each("alpn", _ALPN),
        hostname=table.take("hostname", HOST_NAME, usual.hostname),
        capabilities=table.each("capabilities", _CAPABILITY),
        backend=table.require("backend", NAME, usual.backend),
        accept_proxy=table.each("accept-proxy", SENDER),
        accept_proxy_only=table.take("accept-proxy-only", BOOLEAN, usual.accept_proxy_only),
        accept_proxy_optional=table.each("accept-proxy-optional", SENDER),
        tls_offloaded_by=table.each("tls-offloaded-by", SENDER),
        log_tlvs=table.each("log-tlvs", TLV_TYPE),
        maxconn=table.take("maxconn", _MAXCONN, usual.maxconn),
        timeout=table.child("timeout", _read_timeouts),
    )
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
