"""
The configuration as frozen values, with every default in one place.

What each key means, and why its default is right for mail, is in ``docs/configuration.md``. Durations are seconds.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from attrs import Factory, field, frozen

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warn", "error"]
TlsVersion = Literal["1.2", "1.3"]
ClientCertificates = Literal["none", "optional", "required"]
MailProtocol = Literal["imap", "pop3", "lmtp", "submission", "smtp", "managesieve", "tcp"]
FrontendTls = Literal["implicit", "starttls", "starttls-optional", "none"]
Profile = Literal["dovecot", "postfix", "exim", "cyrus", "stalwart", "generic"]
Balance = Literal["first"]
SendProxy = Literal["none", "v1", "v2", "v2-ssl", "v2-ssl-cn"]
ProxyV2Option = Literal[
    "ssl-cipher", "cert-sig", "cert-key", "authority", "alpn", "crc32c", "unique-id", "group", "client-cert"
]
Network = IPv4Network | IPv6Network


def _joined(host: IPv4Address | IPv6Address, port: int | None) -> str:
    shown = f"[{host}]" if host.version == 6 else str(host)
    return shown if port is None else f"{shown}:{port}"


@frozen
class InetBind:
    """An address and port to listen on; ``[::]`` is IPv6 alone, port 0 is any free port."""

    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return _joined(self.host, self.port)


@frozen
class UnixBind:
    """A UNIX socket to listen on."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.path


Bind = InetBind | UnixBind


@frozen
class InetServer:
    """Where a server listens; without a port, the backend's `ports` has one for each protocol."""

    host: IPv4Address | IPv6Address
    port: int | None = None

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return _joined(self.host, self.port)


@frozen
class UnixServer:
    """A server's UNIX socket."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.path


ServerAddress = InetServer | UnixServer


@frozen
class Log:
    """What goes to stdout, ``[log]``."""

    format: LogFormat = "text"
    level: LogLevel = "info"


@frozen(kw_only=True)
class TlsProfile:
    """How TLS is spoken to clients, ``[tls.NAME]``; paths are absolute."""

    name: str
    certificates: tuple[str, ...]
    min_version: TlsVersion = "1.2"
    max_version: TlsVersion = "1.3"
    client_certificates: ClientCertificates = "none"
    client_ca: str | None = None
    ciphers: str | None = None
    ciphersuites: str | None = None


@frozen(kw_only=True)
class FrontendTimeouts:
    """How long a frontend waits for what, in seconds."""

    proxy_header: float = 5.0
    handshake: float = 10.0
    login: float = 60.0
    client: float = 35 * 60.0
    server: float = 35 * 60.0
    client_fin: float = 60.0
    server_fin: float = 60.0
    close: float = 5.0


@frozen(kw_only=True)
class Frontend:
    """What clients connect to, ``[frontend.NAME]``."""

    name: str
    bind: tuple[Bind, ...]
    protocol: MailProtocol
    tls: FrontendTls = "implicit"
    tls_profile: str | None = field(
        default=Factory(lambda self: None if self.tls == "none" else "default", takes_self=True)
    )
    alpn: tuple[str, ...] = ()
    hostname: str | None = None
    capabilities: tuple[str, ...] = ()
    backend: str
    accept_proxy: tuple[Network, ...] = ()
    accept_proxy_only: bool = False
    accept_proxy_optional: tuple[Network, ...] = ()
    log_tlvs: tuple[int, ...] = ()
    maxconn: int = 20_000
    timeout: FrontendTimeouts = FrontendTimeouts()

    @property
    def has_starttls(self) -> bool:
        """True when a client begins in clear and may ask for TLS."""
        return self.tls in ("starttls", "starttls-optional")


@frozen
class CustomTlv:
    """A constant TLV that is sent with every header."""

    type: int
    value: bytes


@frozen(kw_only=True)
class BackendTimeouts:
    """How long a backend is waited for, in seconds."""

    connect: float = 5.0


@frozen
class Server:
    """One server of a backend, ``[backend.NAME.server.NAME]``."""

    name: str
    address: ServerAddress


@frozen(kw_only=True)
class Backend:
    """Where clients are sent and what the servers are told of them, ``[backend.NAME]``."""

    name: str
    profile: Profile = "generic"
    balance: Balance = "first"
    send_proxy: SendProxy = "v2-ssl"
    proxy_v2_options: frozenset[ProxyV2Option] = frozenset()
    tlvs: tuple[CustomTlv, ...] = ()
    pass_tlvs: tuple[int, ...] = ()
    ports: Mapping[str, int] = field(factory=dict)
    learn_interval: float = 300.0
    retries: int = 3
    timeout: BackendTimeouts = BackendTimeouts()
    servers: tuple[Server, ...]

    def address(self, server: Server, protocol: MailProtocol) -> ServerAddress:
        """Where `server` listens for `protocol`: at its own port, or the one that `ports` is known to have."""
        match server.address:
            case InetServer(host=host, port=None):
                return InetServer(host, self.ports[protocol])
            case address:
                return address


@frozen(kw_only=True)
class Config:
    """One configuration file."""

    log: Log = Log()
    hard_stop_after: float = 10.0
    maxconn: int = 0
    tls: Mapping[str, TlsProfile] = field(factory=dict)
    frontends: tuple[Frontend, ...]
    backends: Mapping[str, Backend]
