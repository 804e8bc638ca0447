"""Reads ``[frontend.NAME]``: what clients connect to."""

import re
from functools import partial
from typing import get_args

from attrs import Factory, evolve, field, frozen

from mailproxy.config.address import BINDS
from mailproxy.config.hostname import HOST_NAME
from mailproxy.config.key import Array, Fields, about, about_table, read_keys
from mailproxy.config.kind import BOOLEAN, NAME, Kind, WrongValue, integer, one_of
from mailproxy.config.limits import FrontendLimits, read_frontend_limits
from mailproxy.config.log import FrontendLog, read_frontend_log
from mailproxy.config.model import FrontendTls, MailProtocol
from mailproxy.config.place import Bind, InetBind, Sender
from mailproxy.config.rule import Rule, read_rules
from mailproxy.config.senders import SENDER, overlap
from mailproxy.config.table import Table
from mailproxy.config.timeouts import FrontendTimeouts, read_frontend_timeouts
from mailproxy.config.tlv import TLV_TYPE
from mailproxy.config.words import quoted
from mailproxy.mail.protocols import PROTOCOLS, TCP, protocol_words


def _alpn(name: str) -> str:
    if not (name.isascii() and name.isprintable() and 1 <= len(name) <= 255):
        raise WrongValue(f"is {quoted(name)}; a protocol name has 1 to 255 printable ASCII characters")
    return name


def _own_alpn(protocol: MailProtocol, tls: FrontendTls) -> tuple[str, ...]:
    """Return the names of a protocol in ALPN; none without TLS, or if the protocol is unknown."""
    return () if tls == "none" or protocol == TCP else PROTOCOLS[protocol].alpn


_ALPN: Kind[str] = Kind((str,), 'a protocol name such as "imap"', _alpn)


def _capability(name: str) -> str:
    if not (name.isascii() and name.isprintable() and name.strip() == name and 1 <= len(name) <= 255):
        raise WrongValue(f"is {quoted(name)}; a capability has 1 to 255 printable ASCII characters")
    return name


_CAPABILITY: Kind[str] = Kind((str,), 'a capability such as "IDLE"', _capability)


DEFAULT_MAXCONN = 20_000
"""The `maxconn` of a frontend that has none in the file."""


@frozen(kw_only=True)
class Frontend:
    """What clients connect to, ``[frontend.NAME]``."""

    name: str
    bind: tuple[Bind, ...] = field(
        metadata=about(
            BINDS,
            "Addresses and UNIX sockets to listen on. Each may be used once; `0.0.0.0` uses the port of every IPv4 "
            "address. `systemd:NAME`: the sockets that systemd hands over under this name, [systemd.md](systemd.md).",
            values="list",
            is_list=True,
            spreads=True,
            is_needed=True,
            haproxy="bind",
        ),
    )
    protocol: MailProtocol = field(
        metadata=about(
            lambda: one_of(protocol_words()),
            "The protocol of clients and servers: it decides the error that clients get if no server can be "
            'reached, and the servers\' port in `ports`. With `"tcp"` there is no such error.',
            is_needed=True,
            haproxy="mode",
        ),
    )
    tls: FrontendTls = field(
        default="implicit",
        metadata=about(
            one_of(get_args(FrontendTls)),
            "TLS from the first byte (RFC 8314); after STARTTLS or STLS, before which nothing reaches a server; "
            "STARTTLS for clients that ask for it, while others are relayed without TLS, which the header says; or no "
            "TLS. [starttls.md](starttls.md) has the details. The default is the safest.",
            haproxy="ssl",
        ),
    )
    tls_profile: str | None = field(
        default=Factory(lambda self: None if self.tls == "none" else "default", takes_self=True),
        metadata=about(
            NAME,
            "The `[tls.NAME]` to use. Only with TLS.",
            values="name",
        ),
    )
    alpn: tuple[str, ...] = field(
        default=Factory(lambda self: _own_alpn(self.protocol, self.tls), takes_self=True),
        metadata=about(
            _ALPN,
            "Protocols to agree on in the handshake. A client that offers only others is refused, because it expects "
            "another service; a client that offers none, like most mail clients, is accepted. `[]`: ALPN is not "
            "answered. Only with TLS. [tls.md](tls.md#alpn) has the names.",
            values="list of names",
            default="the protocol's own",
            is_list=True,
            haproxy="alpn",
        ),
    )
    hostname: str | None = field(
        default=None,
        metadata=about(
            HOST_NAME,
            "mailproxy's name before STARTTLS: by default the first name without a wildcard in the profile's "
            "certificates, or else the machine's name.",
            values="host name",
            default="a certificate's",
        ),
    )
    capabilities: tuple[str, ...] = field(
        default=(),
        metadata=about(
            _CAPABILITY,
            'The capabilities before STARTTLS, each as the backend would list it (`"IDLE"`, `"SIZE 52428800"`). '
            "Empty: those of the backend, which mailproxy asks for. Logins are always left out, and STARTTLS is "
            "added.",
            values="list of texts",
            is_list=True,
        ),
    )
    backend: str = field(
        metadata=about(
            NAME,
            "The `[backend.NAME]` for clients.",
            values="name",
            is_needed=True,
            haproxy="default_backend",
        ),
    )
    accept_proxy: tuple[Sender, ...] = field(
        default=(),
        metadata=about(
            SENDER,
            "Connections from here **must** begin with a PROXY header, which names the client; others are direct "
            'clients. `"unix"` means the frontend\'s UNIX sockets. By default empty, because a sender in this list can '
            "claim any address.",
            values='list of networks, `"unix"`',
            is_list=True,
            haproxy=("accept-proxy", "expect-proxy"),
        ),
    )
    accept_proxy_only: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "Refuse clients that are in neither list.",
        ),
    )
    accept_proxy_optional: tuple[Sender, ...] = field(
        default=(),
        metadata=about(
            SENDER,
            "Connections from here may begin with a PROXY header. For migrations: the specification forbids "
            "guessing, because it lets a client behind the proxy claim an address. A network may be in only one of "
            "the lists.",
            values='list of networks, `"unix"`',
            is_list=True,
        ),
    )
    tls_offloaded_by: tuple[Sender, ...] = field(
        default=(),
        metadata=about(
            SENDER,
            "Connections from here had TLS, which the proxy there has terminated; the header says so. Only with `tls = "
            '"none"`. See [below](#tls-that-ends-before-mailproxy) for the risks.',
            values='list of networks, `"unix"`',
            is_list=True,
        ),
    )
    log_tlvs: tuple[int, ...] = field(
        default=(),
        metadata=about(
            TLV_TYPE,
            "TLVs of received headers to write to the session's log line, by name or number (see below). Only with "
            "`accept-proxy` or `accept-proxy-optional`.",
            values="list of TLVs",
            is_list=True,
            haproxy="fc_pp_tlv",
        ),
    )
    log_refused_logins: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "Whether mailproxy looks for refused logins in what servers say, and logs how many a session had "
            "([bans.md](bans.md#refused-logins)); the filter for fail2ban needs it. It costs each session a moment. If "
            "a rule asks for `auth-failures`, all frontends look and log, whatever this says; so does a frontend with "
            "`auth-failures-per-session` in its limits.",
        ),
    )
    maxconn: int = field(
        default=DEFAULT_MAXCONN,
        metadata=about(
            integer(1, 10_000_000),
            "The most clients of this frontend at once; further ones wait in the kernel's queue. It protects the "
            "other frontends from a flood on one port, if it is less than the limit for all (`maxconn` of the top "
            "level, and two open files for each client). If you set one of the two, `check` and the start warn if it "
            "is not.",
            haproxy="maxconn",
        ),
    )
    limits: FrontendLimits = field(
        default=FrontendLimits(),
        metadata=about_table(Fields(FrontendLimits), "Limits of each source, and of all together, see below."),
    )
    ready_needs_server: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "Whether the service is ready only while a server is up for this frontend, of `backend` or of the backend "
            "that rules choose for every client at this time: `/readyz` of `[admin] http` says so. Right where a "
            "balancer in front knows other machines that may have a server. Otherwise a client gets a clear answer "
            "from mailproxy, which is better than none.",
        ),
    )
    log: FrontendLog = field(
        default=FrontendLog(),
        metadata=about_table(Fields(FrontendLog), "The log of its sessions, see below.", haproxy="log"),
    )
    timeout: FrontendTimeouts = field(
        default=FrontendTimeouts(),
        metadata=about_table(Fields(FrontendTimeouts), "The deadlines, see below.", haproxy="timeout"),
    )
    rules: tuple[Rule, ...] = field(
        default=(),
        metadata=about_table(
            Array(Fields(Rule)),
            "`[[frontend.NAME.rule]]`: who may come, and to which backend; tried in order, [see below]"
            "(#rule-of-a-frontend) and [rules.md](rules.md).",
            values="list of tables",
            default="`[]`",
            name="rule",
            haproxy=("use_backend", "acl", "tcp-request"),
        ),
    )

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that its sessions may have, and those that its rules ask about, its own first."""
        return tuple(dict.fromkeys((self.backend, *(name for rule in self.rules for name in rule.backends))))

    @property
    def judges_bans(self) -> bool:
        """True if a rule decides about banned clients, which are not closed before then."""
        return any(one.banned is not None for rule in self.rules for _, one in rule.conditions)

    @property
    def refused_logins(self) -> re.Pattern[bytes] | None:
        """What finds refused logins in a server's lines; None if the protocol has no logins."""
        return PROTOCOLS[self.protocol].refused_logins if self.protocol in PROTOCOLS else None

    @property
    def has_starttls(self) -> bool:
        """True if a client begins without TLS and may ask for TLS."""
        return self.tls in ("starttls", "starttls-optional")

    @property
    def learns(self) -> bool:
        """True when mailproxy announces the backend's capabilities before STARTTLS, not the configuration's."""
        return self.has_starttls and not self.capabilities

    @property
    def destination(self) -> InetBind | None:
        """The address that clients connect to; None behind a proxy, or if every bind is for several addresses."""
        if self.accept_proxy or self.accept_proxy_optional:
            return None
        binds = (bind for bind in self.bind if isinstance(bind, InetBind))
        return next((bind for bind in binds if bind.port and not bind.host.is_unspecified), None)


def read_frontend(folder: str, name: str, table: Table) -> Frontend:
    """Read one frontend; relative paths start at `folder`."""
    tls: FrontendTls = table.take("tls", one_of(get_args(FrontendTls)), "implicit")
    usual = Frontend(name=name, bind=(), protocol=TCP, tls=tls, backend="")
    frontend = read_keys(table, usual)
    logins_are_missing = ""
    if table.is_sound("protocol") and frontend.refused_logins is None:
        logins_are_missing = f"is for protocols with logins, and {frontend.protocol} has none; leave it out"
    frontend = evolve(
        frontend,
        limits=table.child("limits", partial(read_frontend_limits, logins_are_missing)),
        log=table.child("log", read_frontend_log),
        timeout=table.child("timeout", read_frontend_timeouts),
    )
    if "alpn" not in table:
        frontend = evolve(frontend, alpn=_own_alpn(frontend.protocol, tls))
    frontend = evolve(frontend, rules=read_rules(folder, frontend.protocol, table))
    _check_tls(frontend, table)
    _check_accept_proxy(frontend, table)
    if frontend.log_refused_logins and logins_are_missing:
        table.report("log-refused-logins", logins_are_missing)
    return frontend


def _check_tls(frontend: Frontend, table: Table) -> None:
    if frontend.tls == "none":
        for key in ("tls-profile", "alpn"):
            if key in table:
                table.report(key, 'has no effect with tls = "none"; leave it out or use tls = "implicit"')
        if frontend.limits.handshakes is not None:
            table.report("limits", 'has "handshakes", and with tls = "none" there are none; leave it out')
    elif frontend.tls_offloaded_by and table.is_sound("tls"):
        table.report("tls-offloaded-by", f'is for tls = "none"; with "{frontend.tls}" it is mailproxy that ends TLS')
    if not frontend.has_starttls:
        for key in ("hostname", "capabilities"):
            if key in table:
                table.report(key, 'is for tls = "starttls" and "starttls-optional"; leave it out')
    elif frontend.protocol == TCP and table.is_sound("protocol"):
        table.report("tls", f'is {quoted(frontend.tls)}, and protocol = "tcp" has no STARTTLS')


def _check_accept_proxy(frontend: Frontend, table: Table) -> None:
    if not table.is_sound("accept-proxy", "accept-proxy-optional"):
        return
    for optional in frontend.accept_proxy_optional:
        for required in frontend.accept_proxy:
            if overlap(optional, required):
                table.report(
                    "accept-proxy-optional",
                    f"has {optional}, which overlaps {required} of accept-proxy; a header is one or the other",
                )
    has_senders = bool(frontend.accept_proxy or frontend.accept_proxy_optional)
    if frontend.accept_proxy_only and not has_senders:
        table.report("accept-proxy-only", "needs networks in accept-proxy, or nobody could connect")
    if frontend.log_tlvs and not has_senders:
        table.report("log-tlvs", "needs networks in accept-proxy: TLVs only come with a PROXY header")
