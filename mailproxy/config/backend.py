"""Reads ``[backend.NAME]``: the servers for clients, and what the PROXY header tells them."""

from collections.abc import Mapping
from functools import partial
from typing import get_args

from attrs import evolve, field, frozen

from mailproxy.balance.rule import RULES
from mailproxy.config.check import CHECK_EXAMPLE, Check
from mailproxy.config.check_layers import read_check
from mailproxy.config.custom_tlvs import FormattedTlv, read_custom_tlvs, read_unique_id
from mailproxy.config.duration import IDLE
from mailproxy.config.format import FORMAT
from mailproxy.config.key import Entries, Fields, Key, Tables, about, about_table, read_keys, together
from mailproxy.config.kind import BOOLEAN, integer, one_of
from mailproxy.config.model import CustomTlv, MailProtocol, NamedFile, SendProxy
from mailproxy.config.place import InetServer, NamedServer, ServerAddress
from mailproxy.config.server import OWN_KEYS, Server
from mailproxy.config.server_layers import CommonSettings, judge_table, read_default_server, read_server
from mailproxy.config.table import Table
from mailproxy.config.timeouts import BackendTimeouts, read_backend_timeouts
from mailproxy.config.tlv import CUSTOM_VALUE, PASSED_TLV_TYPE
from mailproxy.config.words import listed
from mailproxy.mail.protocols import protocol_words
from mailproxy.profiles import PROFILES
from mailproxy.proxyprotocol.options import OPTIONS, SSL_OPTIONS, Option

_PORT = integer(1, 65535)


@frozen(kw_only=True)
class Backend:
    """The servers for clients, and what the PROXY header tells them, ``[backend.NAME]``."""

    name: str
    profile: str = field(
        default="generic",
        metadata=about(
            one_of(tuple(PROFILES)),
            "The kind of server: it sets the size of the PROXY header and the TLVs that the server accepts. "
            '`"generic"` stays within the specification\'s 536 bytes, which all servers except Exim, Cyrus (232) and '
            "nginx (107) accept.",
        ),
    )
    balance: str = field(
        default="leastconn",
        metadata=about(
            one_of(tuple(RULES)),
            f"How the next server is chosen: {'; '.join(rule.words for rule in RULES.values())}. Mail sessions last "
            "for hours, so counting them keeps the load even.",
            haproxy="balance",
        ),
    )
    allbackups: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "If no other server is up, clients go to the first backup server that is up; with `true` to all of them.",
            haproxy="option allbackups",
        ),
    )
    maxqueue: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "The most clients that may wait for a free place, if servers have `maxconn`; further clients get an "
            "error at once. 0: no limit but the frontends'.",
            haproxy="maxqueue",
        ),
    )
    send_proxy: SendProxy = field(
        default="v2-ssl",
        metadata=about(
            one_of(get_args(SendProxy)),
            "What the header says: nothing; the client's address, as text or in binary; also its TLS and the "
            "version; also the common name of its verified certificate. Without the `ssl` part Dovecot does not "
            "know that passwords are safe. Send the common name only to servers that use it for logins.",
            haproxy=("send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"),
            example='send-proxy = "v2-ssl"',
        ),
    )
    proxy_v2_options: frozenset[Option] = field(
        default=frozenset(),
        metadata=about(
            one_of(tuple(OPTIONS)),
            "More TLVs, [by their options](backends.md#what-the-header-carries). By default none: Dovecot and Postfix "
            "do not read them, and some make servers drop connections.",
            values="list of options",
            is_list=True,
            haproxy="proxy-v2-options",
        ),
    )
    tlvs: tuple[CustomTlv, ...] = field(
        default=(),
        metadata=together(
            about_table(
                Entries(Key(CUSTOM_VALUE, "The value of this TLV.", table=Fields(FormattedTlv))),
                "TLVs to send with every header, constants or formats, see below.",
                default="`{}`",
                name="proxy-v2-tlvs",
                haproxy="set-proxy-v2-tlv-fmt",
            ),
            about(
                FORMAT,
                'The value of the `unique-id` option, see below: `"front-1/{id}"`. A value of more than 128 bytes '
                "is left out and logged.",
                values="format",
                default='`"{id}"`',
                name="unique-id-format",
                haproxy="unique-id-format",
                is_read_apart=True,
            ),
        ),
    )
    pass_tlvs: tuple[int, ...] = field(
        default=(),
        metadata=about(
            PASSED_TLV_TYPE,
            "TLVs of a received header (`accept-proxy`) to pass on, byte for byte; `ssl` loses a common name that "
            "[must not be sent](backends.md#for-every-backend). All but `crc32c` and `noop`, which belong to the "
            "received header.",
            name="proxy-v2-pass-tlvs",
            values="list of TLVs",
            is_list=True,
        ),
    )
    ports: Mapping[str, int] = field(
        factory=dict,
        metadata=about_table(
            Entries(Key(_PORT, "The port for this protocol."), protocol_words),
            "The servers' port by protocol, for servers whose address has none: `{ imap = 10143, pop3 = 10110 }`.",
            default="`{}`",
        ),
    )
    learn_interval: float = field(
        default=300.0,
        metadata=about(
            IDLE,
            "How often mailproxy asks the servers for their capabilities, for frontends with STARTTLS; every 10 "
            "seconds until one answers. Each time is a line in the server's log.",
        ),
    )
    retries: int = field(
        default=3,
        metadata=about(
            integer(0, 100),
            "Further attempts after a failed connection, each with another server if one is up. A server that "
            "refuses the client in words is not asked again, see "
            "[backends.md](backends.md#a-server-that-refuses-a-client).",
            haproxy="retries",
        ),
    )
    timeout: BackendTimeouts = field(
        default=BackendTimeouts(),
        metadata=about_table(Fields(BackendTimeouts), "The deadlines, see below.", haproxy="timeout"),
    )
    servers: tuple[Server, ...] = field(
        metadata=together(
            about_table(
                Fields(Check),
                "Health checks, see below. Without checks, servers count as up.",
                default="none",
                name="check",
                haproxy="check",
                example=CHECK_EXAMPLE,
            ),
            about_table(
                Fields(Server, without=OWN_KEYS),
                "The keys of a server except `address` and `template`: defaults for all servers. `check` and `tls` "
                "are merged key by key.",
                default="`{}`",
                name="default-server",
                haproxy="default-server",
            ),
            about_table(
                Tables(Fields(Server)),
                "`[backend.NAME.server.NAME]`, see below.",
                values="tables, at least one",
                is_needed=True,
                name="server",
                haproxy="server",
            ),
        ),
    )
    files: tuple[NamedFile, ...] = ()
    """The files that the servers' settings name, each once."""

    @property
    def reports_tls(self) -> bool:
        """True if the header reports the TLS of clients."""
        return self.send_proxy in ("v2-ssl", "v2-ssl-cn") or not self.proxy_v2_options.isdisjoint(SSL_OPTIONS)

    def address(self, server: Server, protocol: MailProtocol) -> ServerAddress:
        """Where `server` listens for `protocol`: at its own port, or at the one in `ports`, which must have it."""
        match server.address:
            case InetServer(host=host, port=None):
                return InetServer(host, self.ports[protocol])
            case NamedServer(host=name, port=None):
                return NamedServer(name, self.ports[protocol])
            case address:
                return address


def read_backend(folder: str, name: str, table: Table) -> Backend:
    """Read one backend; relative paths start at `folder`."""
    backend = read_keys(table, Backend(name=name, servers=()))
    profile = PROFILES[backend.profile]
    common = CommonSettings(
        folder=folder,
        send_proxy=backend.send_proxy,
        defaults=profile.check,
        common_check=table.child_if_there("check", partial(read_check, folder)),
        default_server=table.child_if_there("default-server", partial(read_default_server, folder)),
    )
    servers = table.children("server", partial(read_server, common))
    tlvs = table.child("proxy-v2-tlvs", read_custom_tlvs)
    backend = evolve(
        backend,
        proxy_v2_options=frozenset(backend.proxy_v2_options),  # lists are read into tuples
        tlvs=(*tlvs, *read_unique_id(table, backend.proxy_v2_options, tlvs)),
        ports=table.child("ports", _read_ports),
        timeout=table.child("timeout", partial(read_backend_timeouts, profile.connect_seconds)),
        servers=tuple(server for server, _ in servers),
        files=(*common.files, *(file for _, files in servers for file in files)),
    )
    _check_header(backend, table)
    if common.default_server is not None:
        judge_table(common, common.default_server)
    if not backend.servers and table.is_sound("server"):
        table.report("server", f"is missing: write [{table.path}.server.NAME] with an address")
    return backend


def _read_ports(table: Table) -> dict[str, int]:
    ports = {protocol: table.take(protocol, _PORT, None) for protocol in protocol_words()}
    return {protocol: port for protocol, port in ports.items() if port is not None}


def _check_header(backend: Backend, table: Table) -> None:
    """Refuse keys that have no effect with the chosen header."""
    if not table.is_sound("send-proxy"):
        return
    if not backend.send_proxy.startswith("v2"):
        for key in ("proxy-v2-options", "proxy-v2-tlvs", "proxy-v2-pass-tlvs", "unique-id-format"):
            if key in table:
                table.report(
                    key, f'needs a version 2 header; send-proxy is "{backend.send_proxy}", use "v2" or "v2-ssl"'
                )
        return
    both = {tlv.type for tlv in backend.tlvs} & set(backend.pass_tlvs)
    if both:
        table.report(
            "proxy-v2-pass-tlvs", f"has {listed(map(hex, sorted(both)))}, which proxy-v2-tlvs sets too; choose one"
        )
