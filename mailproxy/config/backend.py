"""Reads ``[backend.NAME]``: where clients are sent, and what the servers are told of them."""

from collections.abc import Collection
from functools import partial

from attrs import evolve

from mailproxy.config.check import read_check
from mailproxy.config.format import FORMAT, Format
from mailproxy.config.key import read_keys
from mailproxy.config.kind import Wrong, integer
from mailproxy.config.model import (
    Backend,
    BackendTimeouts,
    CustomTlv,
)
from mailproxy.config.server import Surroundings, judge_said, read_default_server, read_server
from mailproxy.config.table import Table
from mailproxy.config.tlv import CUSTOM_VALUE, UNIQUE_ID, check_value, custom_type
from mailproxy.config.words import listed
from mailproxy.mail.protocols import protocol_words
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol.options import Option

_PORT = integer(1, 65535)


def read_backend(folder: str, name: str, table: Table) -> Backend:
    """Read one backend; relative paths start at `folder`."""
    backend = read_keys(table, Backend(name=name, servers=()))
    profile = PROFILES[backend.profile]
    around = Surroundings(
        folder=folder,
        send_proxy=backend.send_proxy,
        defaults=profile.check,
        common_check=table.child_if_there("check", partial(read_check, folder)),
        default_server=table.child_if_there("default-server", partial(read_default_server, folder)),
    )
    servers = table.children("server", partial(read_server, around))
    tlvs = table.child("proxy-v2-tlvs", _read_tlvs)
    backend = evolve(
        backend,
        proxy_v2_options=frozenset(backend.proxy_v2_options),  # lists are read into tuples
        tlvs=(*tlvs, *_unique_id(table, backend.proxy_v2_options, tlvs)),
        ports=table.child("ports", _read_ports),
        timeout=table.child("timeout", partial(_read_timeouts, profile.connect_seconds)),
        servers=tuple(server for server, _ in servers),
        files=(*around.files, *(file for _, files in servers for file in files)),
    )
    _check_header(backend, table)
    if around.default_server is not None:
        judge_said(around, around.default_server)
    if not backend.servers and table.sound("server"):
        table.wrong("server", f"is missing: write [{table.path}.server.NAME] with an address")
    return backend


def _read_tlvs(table: Table) -> tuple[CustomTlv, ...]:
    found: dict[int, str] = {}
    tlvs = []
    for key in table:
        value = table.value_or_child(key, CUSTOM_VALUE, _read_format)
        try:
            number = custom_type(key)
            if isinstance(value, bytes):
                check_value(number, value)
        except Wrong as error:
            table.wrong(key, str(error))
            continue
        if number in found:
            table.wrong(key, f"is the same type as {found[number]}; each is sent once")
        found[number] = key
        if value is not None:
            tlvs.append(CustomTlv(number, value))
    return tuple(tlvs)


def _read_format(table: Table) -> Format | None:
    return table.require("format", FORMAT, None)


def _unique_id(table: Table, options: Collection[Option], tlvs: tuple[CustomTlv, ...]) -> tuple[CustomTlv, ...]:
    """Read the format of the UNIQUE_ID; without one it is the session's id, which is no TLV of the configuration."""
    format = table.take("unique-id-format", FORMAT, None)
    if format is None:
        return ()
    if "unique-id" not in options:
        table.wrong("unique-id-format", 'has no effect without "unique-id" in proxy-v2-options')
    if any(tlv.type == UNIQUE_ID for tlv in tlvs):
        table.wrong("unique-id-format", "and proxy-v2-tlvs both set the unique id; choose one")
    return (CustomTlv(UNIQUE_ID, format),)


def _read_ports(table: Table) -> dict[str, int]:
    ports = {protocol: table.take(protocol, _PORT, None) for protocol in protocol_words()}
    return {protocol: port for protocol, port in ports.items() if port is not None}


def _read_timeouts(connect: float, table: Table) -> BackendTimeouts:
    return read_keys(table, BackendTimeouts(connect=connect))


def _check_header(backend: Backend, table: Table) -> None:
    """Refuse what the chosen header has no place for."""
    if not table.sound("send-proxy"):
        return
    if not backend.send_proxy.startswith("v2"):
        for key in ("proxy-v2-options", "proxy-v2-tlvs", "proxy-v2-pass-tlvs", "unique-id-format"):
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
