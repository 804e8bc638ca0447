"""
The configuration as frozen values, with every default in one place.

What each key means, and why its default is right for mail, is in ``docs/configuration.md``. Durations are seconds.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, TypeAlias, get_args

from attrs import Factory, field, frozen

from mailproxy.balance.health import InitState, OnError
from mailproxy.balance.server import ServerState
from mailproxy.config.address import BINDS, HOST, NAMESERVER
from mailproxy.config.duration import IDLE, RAMP, WAIT, duration
from mailproxy.config.format import Format
from mailproxy.config.hostname import HOST_NAME, HOST_OR_ADDRESS
from mailproxy.config.http import METHOD, URL
from mailproxy.config.key import key
from mailproxy.config.kind import BOOLEAN, NAME, Kind, Wrong, integer, one_of, text
from mailproxy.config.place import Bind, InetBind, InetServer, NamedServer, Sender, ServerAddress, SrvServer
from mailproxy.config.senders import SENDER
from mailproxy.config.tlv import PASSED_TLV_TYPE, TLV_TYPE
from mailproxy.config.words import quoted
from mailproxy.mail.protocols import protocol_words
from mailproxy.proxyprotocol.options import OPTIONS, SSL_OPTIONS, Option

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warn", "error"]
TlsVersion = Literal["1.2", "1.3"]
ClientCertificates = Literal["none", "optional", "required"]
MailProtocol: TypeAlias = str
"""One of `mailproxy.mail.protocols.protocol_words`."""
FrontendTls = Literal["implicit", "starttls", "starttls-optional", "none"]
Profile = Literal["dovecot", "postfix", "exim", "cyrus", "stalwart", "nginx", "generic"]
Balance = Literal["leastconn", "roundrobin", "source", "first", "random"]
SendProxy = Literal["none", "v1", "v2", "v2-ssl", "v2-ssl-cn"]

CheckType = Literal["none", "tcp", "mail", "login", "http", "agent"]
CheckHeader = Literal["local", "proxy", "none"]
Observe = Literal["none", "connect"]
OnMarkedDown = Literal["none", "shutdown-sessions"]
OnMarkedUp = Literal["none", "shutdown-backup-sessions"]
ResolvePrefer = Literal["ipv6", "ipv4"]
Verify = Literal["required", "none"]
FileContent = Literal["authorities", "certificate", "password", "authorization"]


@frozen
class Log:
    """What goes to stdout, ``[log]``."""

    format: LogFormat = field(
        default="text",
        metadata=key(
            one_of(get_args(LogFormat)), "One event a line on stdout, for people and journald, or for machines."
        ),
    )
    level: LogLevel = field(
        default="info",
        metadata=key(
            one_of(get_args(LogLevel)),
            "The least important events that are written. Sessions are `info`: with `warn` there is no line per "
            "session.",
        ),
    )


_PATTERN = text('a PEM file, a pattern or a folder such as "/etc/ssl/mail/*.pem"')
_CIPHERS = text('OpenSSL\'s list of cipher names such as "ECDHE+AESGCM:ECDHE+CHACHA20"')
_CIPHERSUITES = text('a list of TLS 1.3 names such as "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"')


@frozen(kw_only=True)
class TlsProfile:
    """How TLS is spoken to clients, ``[tls.NAME]``; paths are absolute."""

    name: str
    certificates: tuple[str, ...] = field(
        metadata=key(
            _PATTERN,
            "Each entry is a PEM file with certificate, chain and key inside (as HAProxy has them), a folder with "
            "`fullchain.pem` and `privkey.pem` (as ACME clients make them), or a pattern for either: `*`, `?`, `[…]`, "
            "`**`. What a pattern matches is taken in alphabetical order.",
            values="list",
            haproxy="crt",
            is_list=True,
            is_needed=True,
        ),
    )
    min_version: TlsVersion = field(
        default="1.2",
        metadata=key(
            one_of(get_args(TlsVersion)),
            "The oldest TLS version. Older than 1.2 is not to be had (RFC 8996); 1.3 alone still locks out mail "
            "clients in use.",
            haproxy="ssl-min-ver",
        ),
    )
    max_version: TlsVersion = field(
        default="1.3",
        metadata=key(
            one_of(get_args(TlsVersion)),
            "The newest TLS version.",
            haproxy="ssl-max-ver",
        ),
    )
    client_certificates: ClientCertificates = field(
        default="none",
        metadata=key(
            one_of(get_args(ClientCertificates)),
            "Whether clients are asked for a certificate. Asking makes some mail clients show a dialogue, so it is not "
            'the default. A certificate that does not verify ends the handshake, with `"optional"` too.',
            haproxy="verify",
        ),
    )
    client_ca: str | None = field(
        default=None,
        metadata=key(
            text('a file such as "/etc/ssl/clients.pem"'),
            "The PEM file of the authorities that clients' certificates are verified with. Needed unless "
            '`client-certificates` is `"none"`; it is read, and has to be right, whenever it is given.',
            values="file",
            haproxy="ca-file",
        ),
    )
    ciphers: str | None = field(
        default=None,
        metadata=key(
            _CIPHERS,
            "TLS 1.2 cipher suites, in OpenSSL's cipher list format. OpenSSL's own choice is kept up to date by "
            "somebody whose job that is.",
            values="text",
            default="OpenSSL's",
        ),
    )
    ciphersuites: str | None = field(
        default=None,
        metadata=key(
            _CIPHERSUITES,
            "TLS 1.3 cipher suites, names with colons between, the first that the client has wins. The order is that "
            "of Mozilla's guidelines; OpenSSL's own has AES-256 first, which makes a handshake 5 % dearer.",
            values="text",
            default="`TLS_AES_128_GCM_SHA256`, `TLS_AES_256_GCM_SHA384`, `TLS_CHACHA20_POLY1305_SHA256`",
        ),
    )


@frozen(kw_only=True)
class FrontendTimeouts:
    """How long a frontend waits for what, in seconds."""

    proxy_header: float = field(
        default=5.0,
        metadata=key(
            WAIT,
            "For a whole PROXY header, where one is expected. The specification wants 3 s at least, the time of a lost "
            "packet sent again.",
        ),
    )
    proxy_header_optional: float = field(
        default=0.5,
        metadata=key(
            WAIT,
            "For the first byte of a header in `accept-proxy-optional`; a client that is silent for longer has none, "
            "and a header that begins later is refused. Where the server speaks first, every client without a header "
            "waits this long for the greeting. A proxy sends its header at once, and half a second lets it come from "
            "far away or lose a packet; a client in clear, or before STARTTLS, hardly notices.",
        ),
    )
    handshake: float = field(
        default=10.0,
        metadata=key(
            WAIT,
            "For the TLS handshake. Far more than a phone on a bad network takes, and short enough that stalled "
            "scanners do not pile up.",
        ),
    )
    login: float = field(
        default=60.0,
        metadata=key(
            WAIT,
            "With STARTTLS: from the greeting until TLS begins. A mail client needs a second; a person at a terminal "
            "gets a minute.",
        ),
    )
    client: float = field(
        default=35 * 60.0,
        metadata=key(
            IDLE,
            "Without a byte from the client. IMAP clients in IDLE are silent for 29 minutes (RFC 2177), and servers "
            "close after 30 (RFC 9051, 5.4): with the minute that is usual for web traffic, IDLE is cut again and "
            "again.",
        ),
    )
    server: float = field(
        default=35 * 60.0,
        metadata=key(
            IDLE,
            "Without a byte from the server. The server of an idle client is silent as well.",
        ),
    )
    client_fin: float = field(
        default=60.0,
        metadata=key(
            IDLE,
            "The same as `client` when the client has closed its side: what the server still has to say should not "
            "take long.",
        ),
    )
    server_fin: float = field(
        default=60.0,
        metadata=key(
            IDLE,
            "The same as `server` when the server has closed its side.",
        ),
    )
    close: float = field(
        default=5.0,
        metadata=key(
            WAIT,
            "For a polite close (close_notify, FIN) before the connection is reset.",
        ),
    )


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


@frozen(kw_only=True)
class Frontend:
    """What clients connect to, ``[frontend.NAME]``."""

    name: str
    bind: tuple[Bind, ...] = field(
        metadata=key(
            BINDS,
            "Addresses and UNIX sockets to listen on. No two may take the same one; `0.0.0.0` takes the port of every "
            "IPv4 address.",
            values="list",
            is_list=True,
            spreads=True,
            is_needed=True,
        ),
    )
    protocol: MailProtocol = field(
        metadata=key(
            lambda: one_of(protocol_words()),
            "What is spoken: it decides how clients are told that no server can be reached, and the servers' port in "
            '`ports`. `"tcp"` says nothing of its own.',
            is_needed=True,
        ),
    )
    tls: FrontendTls = field(
        default="implicit",
        metadata=key(
            one_of(get_args(FrontendTls)),
            "TLS from the first byte (RFC 8314); after STARTTLS or STLS, before which nothing reaches a server; the "
            "same for clients that ask for it while others are relayed in clear, and the server told so; or none at "
            "all. [starttls.md](starttls.md) has the details. The default is the one that is safe by mistake.",
        ),
    )
    tls_profile: str | None = field(
        default=Factory(lambda self: None if self.tls == "none" else "default", takes_self=True),
        metadata=key(
            NAME,
            "The `[tls.NAME]` to use. Only with TLS.",
            values="name",
        ),
    )
    alpn: tuple[str, ...] = field(
        default=(),
        metadata=key(
            _ALPN,
            'Protocols that may be agreed on in the handshake, such as `["imap"]`. Empty: ALPN is not answered, which '
            "every mail client bears. Only with TLS.",
            values="list of names",
            is_list=True,
        ),
    )
    hostname: str | None = field(
        default=None,
        metadata=key(
            HOST_NAME,
            "What mailproxy calls itself before STARTTLS: by default the first name in the profile's certificates "
            "without a wildcard, or else the machine's.",
            values="host name",
            default="a certificate's",
        ),
    )
    capabilities: tuple[str, ...] = field(
        default=(),
        metadata=key(
            _CAPABILITY,
            'What is announced before STARTTLS, each as the backend would list it (`"IDLE"`, `"SIZE 52428800"`). '
            "Empty: what the backend offers, which mailproxy asks it. Either way every login is left out and STARTTLS "
            "put in.",
            values="list of texts",
            is_list=True,
        ),
    )
    backend: str = field(
        metadata=key(
            NAME,
            "The `[backend.NAME]` that clients are sent to.",
            values="name",
            is_needed=True,
            haproxy="default_backend",
        ),
    )
    accept_proxy: tuple[Sender, ...] = field(
        default=(),
        metadata=key(
            SENDER,
            "Clients from here **must** send a PROXY header first, and are who it says; others are clients themselves. "
            '`"unix"` is the clients of the frontend\'s UNIX sockets. Empty, since whoever is in this list can claim '
            "any address.",
            values='list of networks, `"unix"`',
            is_list=True,
            haproxy="expect-proxy",
        ),
    )
    accept_proxy_only: bool = field(
        default=False,
        metadata=key(
            BOOLEAN,
            "Refuse everybody who is in neither list.",
        ),
    )
    accept_proxy_optional: tuple[Sender, ...] = field(
        default=(),
        metadata=key(
            SENDER,
            "Clients from here may send a PROXY header first, or not. For migrations: the specification forbids to "
            "guess, as it lets a client behind the proxy claim an address. No network may be in both lists.",
            values='list of networks, `"unix"`',
            is_list=True,
        ),
    )
    tls_offloaded_by: tuple[Sender, ...] = field(
        default=(),
        metadata=key(
            SENDER,
            "What connects from here is on TLS already, which the proxy there has ended; servers are told so. Only "
            'with `tls = "none"`. See [below](#tls-that-ends-before-mailproxy) for what it risks.',
            values='list of networks, `"unix"`',
            is_list=True,
        ),
    )
    log_tlvs: tuple[int, ...] = field(
        default=(),
        metadata=key(
            TLV_TYPE,
            "TLVs of received headers to write to the session's log line, by name or number (see below). Only with "
            "`accept-proxy` or `accept-proxy-optional`.",
            values="list of TLVs",
            is_list=True,
        ),
    )
    maxconn: int = field(
        default=20_000,
        metadata=key(
            integer(1, 10_000_000),
            "Clients of this frontend at a time; more are left waiting by the kernel. Bounds what a flood on one port "
            "takes from the other frontends.",
        ),
    )
    timeout: FrontendTimeouts = FrontendTimeouts()

    @property
    def has_starttls(self) -> bool:
        """True when a client begins in clear and may ask for TLS."""
        return self.tls in ("starttls", "starttls-optional")

    @property
    def destination(self) -> InetBind | None:
        """Where its clients connect to, if that is known: not behind a proxy, nor on every address."""
        if self.accept_proxy or self.accept_proxy_optional:
            return None
        binds = (bind for bind in self.bind if isinstance(bind, InetBind))
        return next((bind for bind in binds if bind.port and not bind.host.is_unspecified), None)


@frozen
class CustomTlv:
    """A TLV that the configuration sets: a constant, or a format that each session fills."""

    type: int
    value: bytes | Format


@frozen(kw_only=True)
class BackendTimeouts:
    """How long a backend is waited for, in seconds."""

    connect: float = field(
        default=5.0,
        metadata=key(
            WAIT,
            "For each attempt: to connect and, where the server speaks first, until its greeting. Long enough for two "
            "lost packets, and for Postfix's postscreen, which waits for 6 seconds; with `retries` it bounds how long "
            "a client waits to hear that there is no server.",
            default='`"5s"`; with `profile = "postfix"` `"10s"`',
        ),
    )
    queue: float | None = field(
        default=None,
        metadata=key(
            WAIT,
            "For a server with room, where servers have `maxconn`. Mail clients give up after a minute or so; a line "
            "that says so earlier makes them try again.",
            default="as `connect`",
        ),
    )
    """For a place at a server that has `maxconn`; None: as long as `connect`."""

    @property
    def queue_seconds(self) -> float:
        """How long a client waits for a place."""
        return self.connect if self.queue is None else self.queue


_SNI: Kind[str] = Kind(
    (str,),
    'a host name such as "mail.example.org", or "client" for the one that the client asked for',
    lambda value: value if value == "client" else HOST_NAME.read(value),
)


@frozen(kw_only=True)
class ServerTls:
    """How TLS is spoken to a server, ``tls`` of a server; paths are absolute."""

    verify: Verify = field(
        default="required",
        metadata=key(
            one_of(get_args(Verify)),
            'Whether the server\'s certificate is verified. With `"none"` the passwords of all users go to whoever '
            "answers at its address.",
        ),
    )
    ca: str | None = field(
        default=None,
        metadata=key(
            text('a PEM file such as "/etc/ssl/backends.pem"'),
            "The PEM file of the authorities that it is verified with.",
            values="file",
            default="the system's",
            haproxy="ca-file",
        ),
    )
    verify_name: str | None = field(
        default=None,
        metadata=key(
            HOST_OR_ADDRESS,
            "What the certificate has to be for. By default `sni` if that is a name, or else the host name or IP "
            "address in `address`. Needed for UNIX sockets and `srv:` addresses, as nothing vouches for those names.",
            values="host name or IP address",
            default="see right",
            haproxy="verifyhost",
        ),
    )
    sni: str | None = field(
        default=None,
        metadata=key(
            _SNI,
            'The server name to ask for. By default `verify-name` or the host name in `address`. `"client"`: what the '
            "client asked for, which Dovecot makes its `local_name`; needs `verify-name`, as a client must not choose "
            "whom we trust.",
            values='host name, `"client"`',
            default="see right",
        ),
    )
    certificate: str | None = field(
        default=None,
        metadata=key(
            text('a PEM file with certificate and key such as "/etc/ssl/mailproxy.pem"'),
            "A PEM file with certificate, chain and key, to show to a server that asks for one.",
            values="file",
            haproxy="crt",
        ),
    )
    min_version: TlsVersion = field(
        default="1.2",
        metadata=key(
            one_of(get_args(TlsVersion)),
            "The oldest TLS version.",
            haproxy="ssl-min-ver",
        ),
    )


_ALL = ("tcp", "mail", "login", "http", "agent")
CONNECTING = ("tcp", "mail", "login")
"""The types of checks that begin as a client's session does."""

_MAILBOX_NEEDS = 'a mailbox such as "INBOX", its name in printable ASCII as IMAP has it (RFC 3501 section 5.1.3)'


def _mailbox(name: str) -> str:
    if not (name and name.isascii() and name.isprintable()):
        raise Wrong(f"is {quoted(name)}, needs {_MAILBOX_NEEDS}")
    return name


_MAILBOX: Kind[str] = Kind((str,), _MAILBOX_NEEDS, _mailbox)


@frozen(kw_only=True)
class Check:
    """How a server is checked: what ``check`` of its backend, of ``default-server`` and its own say together."""

    type: CheckType = field(
        metadata=key(
            one_of(get_args(CheckType)),
            'See below. With `protocol = "tcp"` both `"mail"` and `"login"` are `"tcp"`.',
            default='`"mail"`',
        ),
    )
    inter: float = field(
        default=2.0,
        metadata=key(
            WAIT,
            "From one check to the next. HAProxy's default; logins are dearer.",
            default='`"2s"`; `"10s"` with `"login"`',
            types=_ALL,
        ),
    )
    fastinter: float | None = field(
        default=None,
        metadata=key(
            WAIT,
            "The same while the last checks disagree with what the server counts as.",
            default="as `inter`",
            types=_ALL,
        ),
    )
    downinter: float | None = field(
        default=None,
        metadata=key(
            WAIT,
            "The same while it is down.",
            default="as `inter`",
            types=_ALL,
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=key(
            WAIT,
            "For a whole check.",
            default='as `inter`; with `"login"` `"10s"`, at Dovecot `"20s"`',
            types=_ALL,
        ),
    )
    jitter: int = field(
        default=10,
        metadata=key(
            integer(0, 50),
            "By how many percent of the interval a check comes earlier or later, so that they do not all come at once.",
            types=_ALL,
            haproxy="spread-checks",
        ),
    )
    rise: int = field(
        default=2,
        metadata=key(
            integer(1, 1000),
            "Good checks in a row until a server that was down is up.",
            types=_ALL,
        ),
    )
    fall: int = field(
        default=3,
        metadata=key(
            integer(1, 1000),
            "Bad checks in a row until a server that was up is down.",
            types=_ALL,
        ),
    )
    port: int | None = field(
        default=None,
        metadata=key(
            integer(1, 65535),
            'Another port to check. With `"mail"` and `"login"` only where the backend has one protocol.',
            default='the server\'s; needed with `"agent"`',
            types=(*CONNECTING, "agent"),
        ),
    )
    address: IPv4Address | IPv6Address | None = field(
        default=None,
        metadata=key(
            HOST,
            "Another address to check.",
            values="IP address",
            default="the server's",
            types=(*CONNECTING, "agent"),
            haproxy="addr",
        ),
    )
    header: CheckHeader | None = field(
        default=None,
        metadata=key(
            one_of(get_args(CheckHeader)),
            "The PROXY header of checks: LOCAL, which says that no client is behind this; PROXY with mailproxy's own "
            'address, and with `"login"` the word that the connection is safe; or none. None is also the default with '
            '`send-proxy = "none"`, and with a `port` or `address` of its own, as in HAProxy.',
            name="check-header",
            default='`"local"`; with `"login"` `"proxy"`',
            types=CONNECTING,
        ),
    )
    tls: bool | None = field(
        default=None,
        metadata=key(
            BOOLEAN,
            "Whether checks use the server's `tls`. By default not with a `port` or `address` of its own.",
            name="check-tls",
            default="as the server",
            types=CONNECTING,
            haproxy="check-ssl",
        ),
    )
    user: str | None = field(
        default=None,
        metadata=key(
            text('an account such as "probe@example.org"'),
            "The probe account.",
            values="text",
            types=("login",),
            is_needed=True,
        ),
    )
    password_file: str | None = field(
        default=None,
        metadata=key(
            text('a file such as "/etc/mailproxy/probe"'),
            "A file with its password: one line, and nobody else's to read.",
            values="file",
            types=("login",),
            is_needed=True,
        ),
    )
    mailbox: str | None = field(
        default=None,
        metadata=key(
            _MAILBOX,
            'A mailbox to open, such as `"INBOX"`; with POP3, whose mailbox is opened by the login, to count. Finds '
            "storage that cannot be used.",
            values="name",
            types=("login",),
        ),
    )
    url: str | None = field(
        default=None,
        metadata=key(
            URL,
            "What to ask for. `{host}` is the server's address, `{protocol}` the protocol.",
            values="`http://…`, `https://…`",
            types=("http",),
            is_needed=True,
        ),
    )
    method: str = field(
        default="GET",
        metadata=key(
            METHOD,
            "How.",
            types=("http",),
        ),
    )
    headers: Mapping[str, str] = field(factory=dict)
    body: str | None = field(
        default=None,
        metadata=key(
            Kind((str,), "a string", lambda value: value),
            "What to send, with `{host}` and `{protocol}` filled in.",
            values="text",
            types=("http",),
        ),
    )
    authorization_file: str | None = field(
        default=None,
        metadata=key(
            text('a file such as "/etc/mailproxy/doveadm-key"'),
            "A file with the value of the header `Authorization`: one line, and nobody else's to read.",
            values="file",
            types=("http",),
        ),
    )
    status: tuple[range, ...] = (range(200, 201),)
    json: Mapping[str, str | int | bool | float] = field(factory=dict)
    """JSON pointers (RFC 6901) to the value that has to be there."""

    send: str = field(
        default="",
        metadata=key(
            Kind((str,), "a string", lambda value: value),
            "What to say to the agent first.",
            values="text",
            types=("agent",),
        ),
    )
    has_first_look: bool = True
    """Whether the server is looked at once at the start, where checks do not see what it makes of a PROXY header."""

    @property
    def seconds(self) -> float:
        """How long a whole check may take."""
        return self.inter if self.timeout is None else self.timeout

    def type_for(self, protocol: MailProtocol) -> CheckType:
        """What is checked where `protocol` is spoken: with "tcp" nothing is known that could be said."""
        return "tcp" if protocol == "tcp" and self.type in ("mail", "login") else self.type


@frozen(kw_only=True)
class Server:
    """One server of a backend, or as many as DNS knows by one name, ``[backend.NAME.server.NAME]``."""

    name: str
    address: ServerAddress
    count: int = 1
    """How many of the addresses that a name has are servers."""

    weight: int = field(
        default=100,
        metadata=key(
            integer(0, 256),
            "Its share of the clients, next to the others'. 0: no new clients.",
        ),
    )
    backup: bool = field(
        default=False,
        metadata=key(
            BOOLEAN,
            "For when no other server is up.",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=key(
            integer(0, 10_000_000),
            "Sessions at a time, of each protocol; further clients go elsewhere, and wait when every server is full. "
            "0: any number.",
        ),
    )
    slowstart: float = field(
        default=0.0,
        metadata=key(
            RAMP,
            "When it comes up after having been down, its weight and `maxconn` grow from little to all for so long. "
            "With `leastconn` a server that comes back without sessions would get every client at once: give it half a "
            "minute.",
        ),
    )
    state: ServerState = field(
        default="ready",
        metadata=key(
            one_of(get_args(ServerState)),
            '`"drain"`: no new clients; `"maint"`: no checks either.',
        ),
    )
    tls: ServerTls | None = None
    check: Check = Check(type="none")
    init_state: InitState = field(
        default="up",
        metadata=key(
            one_of(get_args(InitState)),
            "Before the first checks: up, and down when one fails; down, and up when one succeeds; or as after any "
            "other check, with all of `fall` or `rise` to go. Needs checks.",
        ),
    )
    observe: Observe = field(
        default=Factory(lambda self: "none" if self.check.type == "none" else "connect", takes_self=True),
        metadata=key(
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
        metadata=key(
            integer(1, 1_000_000),
            "After so many of those in a row …",
        ),
    )
    on_error: OnError = field(
        default="fail-check",
        metadata=key(
            one_of(get_args(OnError)),
            "… checks come at `fastinter`; or that was a failed check; or the server is down.",
        ),
    )
    on_marked_down: OnMarkedDown = field(
        default="none",
        metadata=key(
            one_of(get_args(OnMarkedDown)),
            "What happens to its sessions when it goes down. They may be all right, so by default nothing.",
        ),
    )
    on_marked_up: OnMarkedUp = field(
        default="none",
        metadata=key(
            one_of(get_args(OnMarkedUp)),
            "What happens to sessions on backup servers when it comes up.",
        ),
    )
    resolve_prefer: ResolvePrefer = field(
        default="ipv6",
        metadata=key(
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


@frozen
class NamedFile:
    """A file that is to be read before anything starts, and the key that names it; the path is absolute."""

    key: str
    path: str
    content: FileContent


@frozen(kw_only=True)
class Backend:
    """Where clients are sent and what the servers are told of them, ``[backend.NAME]``."""

    name: str
    profile: Profile = field(
        default="generic",
        metadata=key(
            one_of(get_args(Profile)),
            "The kind of server: how long a PROXY header may be and which TLVs it may have before the server drops the "
            'connection. `"generic"` stays within the specification\'s 536 bytes, which all but Exim and Cyrus (232) '
            "and nginx (108) take.",
        ),
    )
    balance: Balance = field(
        default="leastconn",
        metadata=key(
            one_of(get_args(Balance)),
            "Who gets the next client: the server with the fewest sessions for its weight; each in turn, as often as "
            "its weight says; always the same one for a client's address (IPv6: its /64), as long as that one is up; "
            "the first in the file that has room; the one with fewer sessions of two drawn by lot. Mail sessions last "
            "for hours, so counting them is what keeps servers even.",
        ),
    )
    allbackups: bool = field(
        default=False,
        metadata=key(
            BOOLEAN,
            "When no other server is up, clients go to the first backup server that is; with `true` to all of them.",
        ),
    )
    maxqueue: int = field(
        default=0,
        metadata=key(
            integer(0, 10_000_000),
            "Clients that may wait for a server with room, where servers have `maxconn`; more are told at once that "
            "there is none. 0: as many as the frontends let in.",
        ),
    )
    send_proxy: SendProxy = field(
        default="v2-ssl",
        metadata=key(
            one_of(get_args(SendProxy)),
            "What the server is told: nothing; the client's address, as text or in binary; that its connection has "
            "TLS, and which version; and the common name of its verified certificate. Without the `ssl` part Dovecot "
            "does not know that passwords are safe. The common name is for servers that let it log in, and for them "
            "alone.",
        ),
    )
    proxy_v2_options: frozenset[Option] = field(
        default=frozenset(),
        metadata=key(
            one_of(tuple(OPTIONS)),
            "More to tell, see below. Nothing is the default: Dovecot and Postfix do not look at the rest, and some of "
            "it makes servers drop connections.",
            values="list of options",
            is_list=True,
        ),
    )
    tlvs: tuple[CustomTlv, ...] = ()
    pass_tlvs: tuple[int, ...] = field(
        default=(),
        metadata=key(
            PASSED_TLV_TYPE,
            "TLVs of the header that the client's proxy sent (`accept-proxy`) to send on, byte for byte; of `ssl` "
            "without a common name that [must not be told](backends.md#for-every-backend). Any but `crc32c` and "
            "`noop`, which belong to the header they came in.",
            name="proxy-v2-pass-tlvs",
            values="list of TLVs",
            is_list=True,
        ),
    )
    ports: Mapping[str, int] = field(factory=dict)
    learn_interval: float = field(
        default=300.0,
        metadata=key(
            IDLE,
            "How often the servers are asked what they offer, for frontends with STARTTLS; every 10 seconds as long as "
            "none answers. Each time is a line in the server's log.",
        ),
    )
    retries: int = field(
        default=3,
        metadata=key(
            integer(0, 100),
            "How many further attempts there are after a connection could not be made, each with another server if one "
            "is up. A server that refuses the client in words is not asked again, see "
            "[backends.md](backends.md#a-server-that-refuses-a-client).",
        ),
    )
    timeout: BackendTimeouts = BackendTimeouts()
    servers: tuple[Server, ...]
    files: tuple[NamedFile, ...] = ()
    """What the servers' settings name, each once."""

    @property
    def tells_ssl(self) -> bool:
        """True when servers are told of the client's TLS."""
        return self.send_proxy in ("v2-ssl", "v2-ssl-cn") or not self.proxy_v2_options.isdisjoint(SSL_OPTIONS)

    def address(self, server: Server, protocol: MailProtocol) -> ServerAddress:
        """Where `server` listens for `protocol`: at its own port, or the one that `ports` is known to have."""
        match server.address:
            case InetServer(host=host, port=None):
                return InetServer(host, self.ports[protocol])
            case NamedServer(host=name, port=None):
                return NamedServer(name, self.ports[protocol])
            case address:
                return address


_DAY = duration(at_most="1d")


@frozen(kw_only=True)
class Resolvers:
    """How host names are looked up, ``[resolvers]``."""

    nameservers: tuple[tuple[IPv4Address | IPv6Address, int], ...] = field(
        default=(),
        metadata=key(
            NAMESERVER,
            'Nameservers, `"10.0.0.2"` or `"10.0.0.2:5353"`. Empty: those of `/etc/resolv.conf`.',
            haproxy="nameserver",
            values="list",
            is_list=True,
        ),
    )
    timeout: float = field(
        default=1.0,
        metadata=key(
            WAIT,
            "For one answer.",
        ),
    )
    retries: int = field(
        default=3,
        metadata=key(
            integer(0, 10),
            "How often a question is asked again.",
            haproxy="resolve_retries",
        ),
    )
    hold_valid: float = field(
        default=1.0,
        metadata=key(
            _DAY,
            "An answer is kept for its TTL, but for so long at least. A TTL of 0 would be a question for every answer.",
        ),
    )
    hold_nx: float = field(
        default=30.0,
        metadata=key(
            _DAY,
            "Addresses are kept so long after DNS began to say that the name has none: DNS may be wrong for a moment. "
            "As in HAProxy.",
        ),
    )
    max_ttl: float = field(
        default=3600.0,
        metadata=key(
            _DAY,
            "And for so long at most: a TTL of weeks is a mistake that nobody wants to wait for.",
        ),
    )


@frozen(kw_only=True)
class Config:
    """One configuration file."""

    log: Log = Log()
    resolvers: Resolvers = Resolvers()
    hard_stop_after: float = field(
        default=10.0,
        metadata=key(
            IDLE,
            "After SIGTERM no client is accepted, and sessions have this long to end. IMAP sessions never end by "
            "themselves, so this must be short; mail clients reconnect.",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=key(
            integer(0, 10_000_000),
            "Clients of all frontends at a time. 0: as many as the process may have open files for (two per client), "
            "since a limit that is guessed is wrong on every machine but one.",
        ),
    )
    tls: Mapping[str, TlsProfile] = field(factory=dict)
    frontends: tuple[Frontend, ...]
    backends: Mapping[str, Backend]
