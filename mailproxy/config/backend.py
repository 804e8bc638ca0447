"""Reads ``[backend.NAME]``: where clients are sent, and what the servers are told of them."""

from typing import get_args

from mailproxy.config.address import SERVER
from mailproxy.config.duration import IDLE, WAIT
from mailproxy.config.kind import Kind, Wrong, integer, one_of
from mailproxy.config.model import (
    Backend,
    BackendTimeouts,
    Balance,
    CustomTlv,
    MailProtocol,
    Profile,
    ProxyV2Option,
    SendProxy,
    Server,
    UnixServer,
)
from mailproxy.config.table import Table
from mailproxy.config.tlv import CUSTOM_VALUE, PASSED_TLV_TYPE, custom_type
from mailproxy.config.words import listed

_IN_ORDER = 'this version tries the servers in the file\'s order, balance = "first"'
_PROFILE: Kind[Profile] = one_of(get_args(Profile))
_BALANCE: Kind[Balance] = one_of(
    get_args(Balance), later=dict.fromkeys(("roundrobin", "leastconn", "source", "random"), _IN_ORDER)
)
_SEND_PROXY: Kind[SendProxy] = one_of(get_args(SendProxy))
_OPTION: Kind[ProxyV2Option] = one_of(get_args(ProxyV2Option))
_PORT = integer(1, 65535)
_RETRIES = integer(0, 100)


def read_backend(name: str, table: Table) -> Backend:
    """Read one backend."""
    table.later(
        "check",
        "is for health checks, which this version does not have; a server that cannot be reached is passed over",
    )
    usual = Backend(name=name, servers=())
    backend = Backend(
        name=name,
        profile=table.take("profile", _PROFILE, usual.profile),
        balance=table.take("balance", _BALANCE, usual.balance),
        send_proxy=table.take("send-proxy", _SEND_PROXY, usual.send_proxy),
        proxy_v2_options=frozenset(table.each("proxy-v2-options", _OPTION)),
        tlvs=table.child("proxy-v2-tlvs", _read_tlvs),
        pass_tlvs=table.each("proxy-v2-pass-tlvs", PASSED_TLV_TYPE),
        ports=table.child("ports", _read_ports),
        learn_interval=table.take("learn-interval", IDLE, usual.learn_interval),
        retries=table.take("retries", _RETRIES, usual.retries),
        timeout=table.child("timeout", _read_timeouts),
        servers=table.children("server", _read_server),
    )
    _check_header(backend, table)
    if not backend.servers and table.sound("server"):
        table.wrong("server", f"is missing: write [{table.path}.server.NAME] with an address")
    return backend


def _read_tlvs(table: Table) -> tuple[CustomTlv, ...]:
    found: dict[int, str] = {}
    tlvs = []
    for key in table:
        value = table.take(key, CUSTOM_VALUE, b"")
        try:
            number = custom_type(key)
        except Wrong as error:
            table.wrong(key, str(error))
            continue
        if number in found:
            table.wrong(key, f"is the same type as {found[number]}; each is sent once")
        found[number] = key
        tlvs.append(CustomTlv(number, value))
    return tuple(tlvs)


def _read_ports(table: Table) -> dict[str, int]:
    ports = {protocol: table.take(protocol, _PORT, None) for protocol in get_args(MailProtocol)}
    return {protocol: port for protocol, port in ports.items() if port is not None}


def _read_timeouts(table: Table) -> BackendTimeouts:
    return BackendTimeouts(connect=table.take("connect", WAIT, BackendTimeouts().connect))


def _read_server(name: str, table: Table) -> Server:
    table.later("weight", f"is for other versions: {_IN_ORDER}")
    table.later("backup", f"is for other versions: {_IN_ORDER}, so put this one last")
    return Server(name=name, address=table.require("address", SERVER, UnixServer("")))


def _check_header(backend: Backend, table: Table) -> None:
    """Refuse what the chosen header has no place for."""
    if not table.sound("send-proxy"):
        return
    if not backend.send_proxy.startswith("v2"):
        for key in ("proxy-v2-options", "proxy-v2-tlvs", "proxy-v2-pass-tlvs"):
            if key in table:
                table.wrong(
                    key, f'needs a version 2 header; send-proxy is "{backend.send_proxy}", use "v2" or "v2-ssl"'
                )
        return
    both = {tlv.type for tlv in backend.tlvs} & set(backend.pass_tlvs)
    if both:
        table.wrong(
            "proxy-v2-pass-tlvs", f"has {listed(map(hex, sorted(both)))}, which proxy-v2-tlvs sets too; choose one"
        )
