"""The servers of a backend: the keys of ``[backend.NAME.server.NAME]``, which ``default-server`` has too."""

from typing import get_args

from attrs import Factory, field, frozen

from mailproxy.balance.health import InitState, OnError
from mailproxy.balance.pool_server import ServerState
from mailproxy.config.address import NAMED_SERVER, SERVER
from mailproxy.config.check import CHECK_EXAMPLE, Check
from mailproxy.config.duration import RAMP
from mailproxy.config.key import Fields, about, about_table
from mailproxy.config.kind import BOOLEAN, integer, one_of
from mailproxy.config.model import Observe, OnMarkedDown, OnMarkedUp, ResolvePrefer
from mailproxy.config.place import NamedServer, ServerAddress, SrvServer
from mailproxy.config.server_tls import SWITCH, ServerTls


@frozen(kw_only=True)
class Template:
    """Several servers from one name, ``template`` of a server."""

    count: int = field(
        default=1,
        metadata=about(
            integer(1, 1000),
            "The most servers.",
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
"""The keys that ``default-server`` cannot have."""


@frozen(kw_only=True)
class Server:
    """One server of a backend, or several from one name in DNS, ``[backend.NAME.server.NAME]``."""

    name: str
    address: ServerAddress = field(
        metadata=about(
            SERVER,
            '`"10.0.0.1"` or `"[2001:db8::1]"` (the port is that of the client\'s protocol in `ports`), '
            '`"10.0.0.1:10143"`, or the path of a UNIX socket; a host name with or without a port, '
            '`"imap.example.org"`; or the SRV records of a service, `"srv:_imap._tcp.example.org"`, which have '
            "their own ports, weights and priorities.",
            values="address; needed, or `template`",
            default=" ",
            is_read_apart=True,
        ),
    )
    count: int = field(
        default=1,
        metadata=about_table(
            Fields(Template),
            "Instead of `address`: one server for each address of a host name, or for each record of a service, up "
            'to `count`. Their names are the server\'s with a number: `c1` to `c8`. An `address` of `"srv:…"` is a '
            "template with a count of 16.",
            name="template",
            haproxy="server-template",
        ),
    )
    """The most addresses of a name that become servers."""

    weight: int = field(
        default=100,
        metadata=about(
            integer(0, 256),
            "Its share of the clients, relative to the other servers'. 0: no new clients.",
            haproxy="weight",
        ),
    )
    backup: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "Gets clients only if no other server is up.",
            haproxy="backup",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "The most sessions at once, for each protocol; further clients go to other servers, and wait if all are "
            "full. 0: no limit.",
            haproxy="maxconn",
        ),
    )
    slowstart: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "After the server comes up again, its weight and `maxconn` grow to their full values over this time. "
            "With `leastconn` a server without sessions would get every client at once: half a minute prevents that.",
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
            kind=SWITCH,
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
            "The state before the first checks: up until one check fails; down until one passes; or up or down as "
            "usual, until `fall` checks fail or `rise` checks pass. Needs checks.",
            haproxy="init-state",
        ),
    )
    observe: Observe = field(
        default=Factory(lambda self: "none" if self.check.type == "none" else "connect", takes_self=True),
        metadata=about(
            one_of(get_args(Observe)),
            'With `"connect"`, clients\' connections count too: each connection that cannot be made; and, once for '
            "each client's network (IPv4 address, or /64), a server that breaks off, fails at TLS or stays silent "
            'before its greeting. A refusal in words never counts, nor does a failure of TLS with `sni = "client"`: '
            "the client chooses the name.",
            default='`"connect"` with checks',
            haproxy="observe",
        ),
    )
    error_limit: int = field(
        default=10,
        metadata=about(
            integer(1, 1_000_000),
            "After this many of those in a row …",
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
            "What happens to its sessions when it goes down. They may still work, so by default nothing.",
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
            "The family to use for a host name with addresses of both.",
            haproxy="resolve-prefer",
        ),
    )

    @property
    def is_template(self) -> bool:
        """True if it makes several servers."""
        return self.count > 1 or isinstance(self.address, SrvServer)

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the servers that it makes: its own, or its own with a number, from 1."""
        return (
            tuple(f"{self.name}{number}" for number in range(1, self.count + 1)) if self.is_template else (self.name,)
        )


SRV_SLOTS = 16
"""The servers that an address of SRV records makes without a template."""
