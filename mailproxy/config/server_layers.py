"""Merges ``default-server`` and a server's table, key by key, and likewise their ``check`` and ``tls``."""

from collections.abc import Iterator, Mapping
from functools import partial

from attrs import frozen

import mailproxy.config.check_layers as of_check
import mailproxy.config.server_tls as of_tls
from mailproxy.config.address import SERVER
from mailproxy.config.key import given_keys, read_keys
from mailproxy.config.layers import Layer, Layers, layers
from mailproxy.config.model import FileContent, NamedFile, SendProxy
from mailproxy.config.place import NamedServer, ServerAddress, SrvServer, UnixServer
from mailproxy.config.server import OWN_KEYS, SRV_SLOTS, Server, Template
from mailproxy.config.table import Table
from mailproxy.config.words import key_path
from mailproxy.profiles import CheckDefaults

_NEED_CHECKS = ("init-state", "observe", "error-limit", "on-error", "on-marked-down", "on-marked-up")

_FILES: Mapping[str, FileContent] = {
    "password-file": "password",
    "authorization-file": "authorization",
    "ca": "authorities",
    "certificate": "certificate",
}


def _files_of(layer: Layer) -> Iterator[NamedFile]:
    """Name the files of one ``check`` or ``tls``."""
    for key, content in _FILES.items():
        if key in layer.values:
            yield NamedFile(key_path(layer.table.path, key), layer.values[key], content)


@frozen(eq=False)
class ServerTable:
    """The keys of one table, of a server or of ``default-server``."""

    keys: Layer
    check: Layer | None
    tls: Layer | bool | None

    @property
    def files(self) -> Iterator[NamedFile]:
        """The files that the table names."""
        for layer in (self.check, self.tls):
            if isinstance(layer, Layer):
                yield from _files_of(layer)


@frozen(eq=False)
class CommonSettings:
    """What a backend sets for its servers."""

    folder: str
    send_proxy: SendProxy
    defaults: CheckDefaults
    common_check: Layer | None
    default_server: ServerTable | None

    def keys(self, own: ServerTable) -> Layers:
        """The merged keys for the table `own`."""
        return layers(table.keys for table in self._tables(own))

    def check(self, own: ServerTable) -> Layers:
        """The merged check."""
        return layers([self.common_check, *(table.check for table in self._tables(own))])

    def tls(self, own: ServerTable) -> Layers | None:
        """The merged TLS; None without TLS. A table turns it on, as ``true`` does."""
        tables = []
        is_on = False
        for table in self._tables(own):
            if isinstance(table.tls, Layer):
                tables.append(table.tls)
            if table.tls is not None:
                is_on = table.tls is not False
        return layers(tables) if is_on else None

    @property
    def files(self) -> Iterator[NamedFile]:
        """The files that the tables for all servers name."""
        if self.common_check is not None:
            yield from _files_of(self.common_check)
        if self.default_server is not None:
            yield from self.default_server.files

    def _tables(self, own: ServerTable) -> tuple[ServerTable, ...]:
        """The tables, from the general to the particular."""
        return (own,) if self.default_server in (None, own) else (self.default_server, own)


def read_default_server(folder: str, table: Table) -> ServerTable:
    """Read ``default-server``; relative paths start at `folder`."""
    for key in OWN_KEYS:
        table.refuse(key, "belongs to each server: [backend.NAME.server.NAME]")
    return _read_table(folder, table)


def _read_table(folder: str, table: Table) -> ServerTable:
    return ServerTable(
        Layer(table, given_keys(table, Server)),
        check=table.child_if_there("check", partial(of_check.read_check, folder)),
        tls=table.value_or_child("tls", of_tls.SWITCH, partial(of_tls.read_tls, folder)),
    )


def read_server(common: CommonSettings, name: str, table: Table) -> tuple[Server, tuple[NamedFile, ...]]:
    """Read one server, and the files that only it names."""
    address, count = _read_address(table)
    own = _read_table(common.folder, table)
    keys, check, tls = common.keys(own), common.check(own), common.tls(own)
    kind = of_check.check_type(check, common.defaults)

    has_tls = tls is not None
    judge_table(common, own)
    if check.is_sound("type"):
        of_check.judge_whole(check, kind)
    if table.is_sound("address", "template"):
        of_check.judge_place(check, kind, address, common.send_proxy, server_has_tls=has_tls)
        if tls is not None:
            of_tls.judge_whole(tls, address, table)
        if "resolve-prefer" in own.keys.values and not isinstance(address, NamedServer | SrvServer):
            table.report("resolve-prefer", f"is for host names; the address is {address}")
    if tls is not None:
        of_tls.judge_tables(tls)
    if "on-marked-up" in own.keys.values and keys.value("backup", False):
        table.report("on-marked-up", "is for servers that have backups; this one is a backup itself")

    server = Server(
        name=name,
        address=address,
        count=count,
        tls=None if tls is None else of_tls.tls_in_effect(tls),
        check=of_check.check_in_effect(check, kind, common.defaults, common.send_proxy, server_has_tls=has_tls),
        **{key.replace("-", "_"): value for key, value in keys.values.items()},
    )
    return server, tuple(own.files)


def _read_address(table: Table) -> tuple[ServerAddress, int]:
    template = table.child_if_there("template", _read_template)
    if template is None:
        address = table.require("address", SERVER, UnixServer(""))
        return address, SRV_SLOTS if isinstance(address, SrvServer) else 1
    if "address" in table:
        table.report("template", "is set beside address; a server has one of them")
    table.take("address", SERVER, None)
    return template


def _read_template(table: Table) -> tuple[ServerAddress, int]:
    template = read_keys(table, Template())
    return template.name or UnixServer(""), template.count


def judge_table(common: CommonSettings, own: ServerTable) -> None:
    """Refuse keys of a server's table or ``default-server`` that have no effect there."""
    check = common.check(own)
    of_check.judge_tables(check, common.defaults)
    if not check.is_sound("type"):
        return
    table, values = own.keys.table, own.keys.values
    if of_check.check_type(check, common.defaults) == "none":
        for key in _NEED_CHECKS:
            if values.get(key, "none") != "none":
                table.report(
                    key,
                    "is for health checks, and there are none: write check = "
                    f'{{ type = "{common.defaults.type}" }} for the server or its backend',
                )
    elif common.keys(own).value("observe", "connect") == "none":
        for key in ("error-limit", "on-error"):
            if key in values:
                table.report(key, 'has no effect with observe = "none"')
