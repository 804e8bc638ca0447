"""Reads ``[backend.NAME.server.NAME]`` and ``default-server``, which has the same keys for all servers of a backend."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import get_args

from attrs import Factory, field, frozen

from mailproxy.balance.health import InitState, OnError
from mailproxy.balance.pool_server import ServerState
from mailproxy.config import check as checks
from mailproxy.config import server_tls
from mailproxy.config.address import NAMED_SERVER, SERVER
from mailproxy.config.check import Check
from mailproxy.config.duration import RAMP
from mailproxy.config.key import about, given_keys
from mailproxy.config.kind import BOOLEAN, integer, one_of
from mailproxy.config.layers import Layer, Layers, layers
from mailproxy.config.model import FileContent, NamedFile, Observe, OnMarkedDown, OnMarkedUp, ResolvePrefer, SendProxy
from mailproxy.config.place import NamedServer, ServerAddress, SrvServer, UnixServer
from mailproxy.config.server_tls import ServerTls
from mailproxy.config.table import Table
from mailproxy.config.words import key_path
from mailproxy.profiles import CheckDefaults


@frozen(kw_only=True)
class Server:
    """One server of a backend, or as many as DNS knows by one name, ``[backend.NAME.server.NAME]``."""

    name: str
    address: ServerAddress
    count: int = 1
    """How many of the addresses that a name has are servers."""

    weight: int = field(
        default=100,
        metadata=about(
            integer(0, 256),
            "Its share of the clients, next to the others'. 0: no new clients.",
        ),
    )
    backup: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "For when no other server is up.",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "Sessions at a time, of each protocol; further clients go elsewhere, and wait when every server is full. "
            "0: any number.",
        ),
    )
    slowstart: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "When it comes up after having been down, its weight and `maxconn` grow from little to all for so long. "
            "With `leastconn` a server that comes back without sessions would get every client at once: give it half a "
            "minute.",
        ),
    )
    state: ServerState = field(
        default="ready",
        metadata=about(
            one_of(get_args(ServerState)),
            '`"drain"`: no new clients; `"maint"`: no checks either.',
        ),
    )
    tls: ServerTls | None = None
    check: Check = field(factory=lambda: Check(type="none"))
    init_state: InitState = field(
        default="up",
        metadata=about(
            one_of(get_args(InitState)),
            "Before the first checks: up, and down when one fails; down, and up when one succeeds; or as after any "
            "other check, with all of `fall` or `rise` to go. Needs checks.",
        ),
    )
    observe: Observe = field(
        default=Factory(lambda self: "none" if self.check.type == "none" else "connect", takes_self=True),
        metadata=about(
            one_of(get_args(Observe)),
            'With `"connect"` clients count too: each connection that cannot be made, and once for each client\'s '
            "network (IPv4 address, or /64) a server that breaks off, fails at TLS or stays silent before its "
            'greeting. What a server says to a client never counts, and with `sni = "client"` no failure of TLS does: '
            "the client chooses the name.",
            default='`"connect"` with checks',
        ),
    )
    error_limit: int = field(
        default=10,
        metadata=about(
            integer(1, 1_000_000),
            "After so many of those in a row …",
        ),
    )
    on_error: OnError = field(
        default="fail-check",
        metadata=about(
            one_of(get_args(OnError)),
            "… checks come at `fastinter`; or that was a failed check; or the server is down.",
        ),
    )
    on_marked_down: OnMarkedDown = field(
        default="none",
        metadata=about(
            one_of(get_args(OnMarkedDown)),
            "What happens to its sessions when it goes down. They may be all right, so by default nothing.",
        ),
    )
    on_marked_up: OnMarkedUp = field(
        default="none",
        metadata=about(
            one_of(get_args(OnMarkedUp)),
            "What happens to sessions on backup servers when it comes up.",
        ),
    )
    resolve_prefer: ResolvePrefer = field(
        default="ipv6",
        metadata=about(
            one_of(get_args(ResolvePrefer)),
            "For a host name with addresses of both families: which one.",
        ),
    )

    @property
    def is_template(self) -> bool:
        """True when its address stands for several servers."""
        return self.count > 1 or isinstance(self.address, SrvServer)

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the servers that it makes: its own, or its own with a number, from 1."""
        return (
            tuple(f"{self.name}{number}" for number in range(1, self.count + 1)) if self.is_template else (self.name,)
        )


SRV_SLOTS = 16
"""How many servers an address of SRV records makes, unless a template says otherwise."""

_SLOTS = integer(1, 1000)
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
class Said:
    """What one table says of a server, or of all."""

    keys: Layer
    check: Layer | None
    tls: Layer | bool | None

    @property
    def files(self) -> Iterator[NamedFile]:
        """The files that it names."""
        for layer in (self.check, self.tls):
            if isinstance(layer, Layer):
                yield from _files_of(layer)


@frozen(eq=False)
class Surroundings:
    """What a backend says of its servers."""

    folder: str
    send_proxy: SendProxy
    defaults: CheckDefaults
    common_check: Layer | None
    default_server: Said | None

    def keys(self, own: Said) -> Layers:
        """What is in effect where `own` is said."""
        return layers(said.keys for said in self._said(own))

    def check(self, own: Said) -> Layers:
        """The check there."""
        return layers([self.common_check, *(said.check for said in self._said(own))])

    def tls(self, own: Said) -> Layers | None:
        """The TLS there; None in clear. A table turns it on, as ``true`` does."""
        tables = []
        is_on = False
        for said in self._said(own):
            if isinstance(said.tls, Layer):
                tables.append(said.tls)
            if said.tls is not None:
                is_on = said.tls is not False
        return layers(tables) if is_on else None

    @property
    def files(self) -> Iterator[NamedFile]:
        """The files that are named for all servers."""
        if self.common_check is not None:
            yield from _files_of(self.common_check)
        if self.default_server is not None:
            yield from self.default_server.files

    def _said(self, own: Said) -> tuple[Said, ...]:
        """From the general to the particular."""
        return (own,) if self.default_server in (None, own) else (self.default_server, own)


def read_default_server(folder: str, table: Table) -> Said:
    """Read what holds for every server that does not say otherwise; relative paths start at `folder`."""
    for key in ("address", "template"):
        table.later(key, "is for each server to say, in [backend.NAME.server.NAME]")
    return _read_said(folder, table)


def _read_said(folder: str, table: Table) -> Said:
    return Said(
        Layer(table, given_keys(table, Server)),
        check=table.child_if_there("check", partial(checks.read_check, folder)),
        tls=table.value_or_child("tls", server_tls.SWITCH, partial(server_tls.read_tls, folder)),
    )


def read_server(around: Surroundings, name: str, table: Table) -> tuple[Server, tuple[NamedFile, ...]]:
    """Read one server, and the files that it alone names."""
    address, count = _read_address(table)
    own = _read_said(around.folder, table)
    keys, check, tls = around.keys(own), around.check(own), around.tls(own)
    kind = checks.check_type(check, around.defaults)

    judge_said(around, own)
    if check.sound("type"):
        checks.judge_whole(check, kind)
    if table.sound("address", "template"):
        checks.judge_place(check, kind, address, around.send_proxy, server_has_tls=tls is not None)
        if tls is not None:
            server_tls.judge_whole(tls, address, table)
        if "resolve-prefer" in own.keys.values and not isinstance(address, NamedServer | SrvServer):
            table.wrong("resolve-prefer", f"is for host names; the address is {address}")
    if tls is not None:
        server_tls.judge_tables(tls)
    if "on-marked-up" in own.keys.values and keys.value("backup", False):
        table.wrong("on-marked-up", "is for servers that have backups; this one is a backup itself")

    server = Server(
        name=name,
        address=address,
        count=count,
        tls=None if tls is None else server_tls.tls_in_effect(tls),
        check=checks.check_in_effect(check, kind, around.defaults, around.send_proxy, server_has_tls=tls is not None),
        **{key.replace("-", "_"): value for key, value in keys.values.items()},
    )
    return server, tuple(own.files)


def _read_address(table: Table) -> tuple[ServerAddress, int]:
    template = table.child_if_there("template", _read_template)
    if template is None:
        address = table.require("address", SERVER, UnixServer(""))
        return address, SRV_SLOTS if isinstance(address, SrvServer) else 1
    if "address" in table:
        table.wrong("template", "is there beside address; a server has one of them")
    table.take("address", SERVER, None)
    return template


def _read_template(table: Table) -> tuple[ServerAddress, int]:
    return table.require("name", NAMED_SERVER, UnixServer("")), table.require("count", _SLOTS, 1)


def judge_said(around: Surroundings, own: Said) -> None:
    """Refuse, of a server's table or ``default-server``, what cannot have an effect there."""
    check = around.check(own)
    checks.judge_tables(check, around.defaults)
    if not check.sound("type"):
        return
    table, said = own.keys.table, own.keys.values
    if checks.check_type(check, around.defaults) == "none":
        for key in _NEED_CHECKS:
            if said.get(key, "none") != "none":
                table.wrong(
                    key,
                    "is for health checks, and there are none: write check = "
                    f'{{ type = "{around.defaults.type}" }} for the server or its backend',
                )
    elif around.keys(own).value("observe", "connect") == "none":
        for key in ("error-limit", "on-error"):
            if key in said:
                table.wrong(key, 'has no effect with observe = "none"')
