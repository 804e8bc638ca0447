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
from mailproxy.config.check import CHECK_EXAMPLE, Check
from mailproxy.config.duration import RAMP
from mailproxy.config.key import Fields, about, about_table, given_keys, read_keys
from mailproxy.config.kind import BOOLEAN, integer, one_of
from mailproxy.config.layers import Layer, Layers, layers
from mailproxy.config.model import FileContent, NamedFile, Observe, OnMarkedDown, OnMarkedUp, ResolvePrefer, SendProxy
from mailproxy.config.place import NamedServer, ServerAddress, SrvServer, UnixServer
from mailproxy.config.server_tls import ServerTls
from mailproxy.config.table import Table
from mailproxy.config.words import key_path
from mailproxy.profiles import CheckDefaults


@frozen(kw_only=True)
class Template:
    """Several servers by one name, ``template`` of a server."""

    count: int = field(
        default=1,
        metadata=about(
            integer(1, 1000),
            "How many servers at most.",
            is_needed=True,
        ),
    )
    name: NamedServer | SrvServer | None = field(
        default=None,
        metadata=about(
            NAMED_SERVER,
            'The host name, with or without a port, or the service: `"imap.example.org"`, '
            '`"srv:_imap._tcp.example.org"`.',
            values="host name",
            haproxy="fqdn",
            is_needed=True,
        ),
    )


OWN_KEYS = ("address", "template")
"""What only a server itself can say."""


@frozen(kw_only=True)
class Server:
    """One server of a backend, or as many as DNS knows by one name, ``[backend.NAME.server.NAME]``."""

    name: str
    address: ServerAddress = field(
        metadata=about(
            SERVER,
            '`"10.0.0.1"` or `"[2001:db8::1]"` (the port is that of the client\'s protocol in `ports`), '
            '`"10.0.0.1:10143"`, or the path of a UNIX socket; a host name with or without a port, '
            '`"imap.example.org"`; or the SRV records of a service, `"srv:_imap._tcp.example.org"`, which have ports, '
            "weights and priorities of their own.",
            values="address; needed, or `template`",
            default=" ",
            is_read_apart=True,
        ),
    )
    count: int = field(
        default=1,
        metadata=about_table(
            Fields(Template),
            "Instead of `address`: as many servers, up to `count`, as a host name has addresses or a service has "
            'records. They are called as the server with a number: `c1` to `c8`. An address `"srv:…"` alone is one of '
            "16.",
            name="template",
            haproxy="server-template",
        ),
    )
    """How many of the addresses that a name has are servers."""

    weight: int = field(
        default=100,
        metadata=about(
            integer(0, 256),
            "Its share of the clients, next to the others'. 0: no new clients.",
            haproxy="weight",
        ),
    )
    backup: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "For when no other server is up.",
            haproxy="backup",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "Sessions at a time, of each protocol; further clients go elsewhere, and wait when every server is full. "
            "0: any number.",
            haproxy="maxconn",
        ),
    )
    slowstart: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "When it comes up after having been down, its weight and `maxconn` grow from little to all for so long. "
            "With `leastconn` a server that comes back without sessions would get every client at once: give it half a "
            "minute.",
            haproxy="slowstart",
        ),
    )
    state: ServerState = field(
        default="ready",
        metadata=about(
            one_of(get_args(ServerState)),
            '`"drain"`: no new clients; `"maint"`: no checks either.',
            haproxy="disabled",
        ),
    )
    tls: ServerTls | None = field(
        default=None,
        metadata=about_table(
            Fields(ServerTls),
            "TLS to the server, see below.",
            kind=server_tls.SWITCH,
            values="`true`, `false`, table",
            default="`false`",
            haproxy="ssl",
        ),
    )
    check: Check = field(
        factory=lambda: Check(type="none"),
        metadata=about_table(
            Fields(Check),
            "Keys of `check` that are different for this server, see below.",
            haproxy="check",
            example=CHECK_EXAMPLE,
        ),
    )
    init_state: InitState = field(
        default="up",
        metadata=about(
            one_of(get_args(InitState)),
            "Before the first checks: up, and down when one fails; down, and up when one succeeds; or as after any "
            "other check, with all of `fall` or `rise` to go. Needs checks.",
            haproxy="init-state",
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
            haproxy="observe",
        ),
    )
    error_limit: int = field(
        default=10,
        metadata=about(
            integer(1, 1_000_000),
            "After so many of those in a row …",
            haproxy="error-limit",
        ),
    )
    on_error: OnError = field(
        default="fail-check",
        metadata=about(
            one_of(get_args(OnError)),
            "… checks come at `fastinter`; or that was a failed check; or the server is down.",
            haproxy="on-error",
        ),
    )
    on_marked_down: OnMarkedDown = field(
        default="none",
        metadata=about(
            one_of(get_args(OnMarkedDown)),
            "What happens to its sessions when it goes down. They may be all right, so by default nothing.",
            haproxy="on-marked-down",
        ),
    )
    on_marked_up: OnMarkedUp = field(
        default="none",
        metadata=about(
            one_of(get_args(OnMarkedUp)),
            "What happens to sessions on backup servers when it comes up.",
            haproxy="on-marked-up",
        ),
    )
    resolve_prefer: ResolvePrefer = field(
        default="ipv6",
        metadata=about(
            one_of(get_args(ResolvePrefer)),
            "For a host name with addresses of both families: which one.",
            haproxy="resolve-prefer",
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
    for key in OWN_KEYS:
        table.later(key, "belongs to each server: [backend.NAME.server.NAME]")
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
        table.wrong("template", "is set beside address; a server has one of them")
    table.take("address", SERVER, None)
    return template


def _read_template(table: Table) -> tuple[ServerAddress, int]:
    template = read_keys(table, Template())
    return template.name or UnixServer(""), template.count


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
