"""
The status of a running service, as plain values.

They contain only text, numbers, and tuples and mappings of these, so a socket can carry them between processes. Times
are seconds before now. docs/ctl.md explains the fields.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from mailproxy.session.counters import Counters


@frozen(kw_only=True)
class Info:
    """The process."""

    version: str
    pid: int
    user: int
    python: str
    openssl: str
    configuration: str
    state: str
    """``running`` or ``stopping``."""
    uptime_s: float
    sessions: int
    maxconn: int
    connections: int
    """Since the start."""
    readings: int
    """The number of generations: the current one, and earlier ones that still have sessions."""
    reload: str
    """``running``, or how the latest reload ended: ``success`` or ``failure``; ``none`` if there was none."""
    reload_s: float | None
    """How long ago it began or ended; None if there was none."""
    reload_problem: str
    """Why it failed, in one line, until a reload succeeds; "" if it did not fail."""
    lists_refused: tuple[str, ...]
    """Why files of lists of networks cannot be used now, one reason a file; their previous lists stay in use."""
    bans_broad: tuple[str, ...]
    """A sentence about each list of bans, and about all other bans, that are too many of all addresses."""
    workers: int
    """The processes that serve clients; 0 if the main process does."""
    replaced_pid: int | None
    """The process that this one has replaced, while it still has its sessions, which no command reaches; else None."""
    replaced_left_s: float | None
    """The longest time that these sessions still have; None: it is not known."""
    worker_ends: tuple[str, ...]
    """A sentence about each worker that has ended in the last minutes: how, when, and whether it was replaced."""
    bans: int
    bans_by: Mapping[str, int]
    """How many bans each origin has made, of those that have."""
    bans_listed: int
    """How many networks the files of ``[bans] lists`` have."""
    bans_refused: int
    """The clients that were refused for a ban, since the start."""
    watchers: int
    sources: int | None
    """The entries of the tables of sources; None if no source is counted."""
    sources_evicted: int | None
    """How many entries have left for others, since the start."""
    sources_uncounted: int | None
    """How often a source had no place, since the start."""


@frozen(kw_only=True)
class FrontendStatus(Counters):
    """One frontend, with its counters, and its sessions of all generations."""

    frontend: str
    state: str
    """``open``; ``drain``: drained by an administrator; ``closing``: removed by a reload, or the service stops."""
    protocol: str
    tls: str
    listens: tuple[str, ...]
    backend: str
    current: int
    """Clients that are connected now."""
    maxconn: int
    bytes_in: int
    """Bytes from clients since the start, and from servers, without those of TLS; those of live sessions come late."""
    bytes_out: int


@frozen(kw_only=True)
class BanStatus:
    """One ban: one network, banned by one origin."""

    network: str
    origin: str
    """``ctl``, ``rule``, ``crowdsec`` or the name of a program; ``list``: a file of ``[bans] lists``."""
    since_s: float | None
    """The seconds since it was made; None if it is in a list."""
    left_s: float | None
    """The seconds until it ends; None if it has no end."""
    reason: str


@frozen(kw_only=True)
class BackendStatus:
    """One backend for one protocol."""

    backend: str
    protocol: str
    state: str
    """``up``, or ``down``: no server may be picked."""
    balance: str
    servers: int
    active: int
    backup: int
    sessions: int
    queued: int


@frozen(kw_only=True)
class ServerStatus:
    """One server of a backend for one protocol."""

    backend: str
    protocol: str
    server: str
    address: str | None
    state: str
    """``maint``, else ``no-address``, else ``down``, else ``drain``, else ``up``."""
    since_s: float | None
    """How long the server has had this state; None: since the start."""
    why: str
    is_up: bool
    """Whether no check has marked it down; `state` may say ``maint`` of a server that is down."""
    admin: str
    """The state that an administrator or the configuration sets."""
    configured_state: str
    state_by_hand: str | None
    """The state that an administrator has set; None: the configuration's holds."""
    weight_by_hand: float | None
    """The weight that an administrator has set; None: that of the configuration, the agent or DNS holds."""
    agent: str
    """The state that the server's agent sets."""
    check: str
    """The type of its check."""
    check_counts: str
    """The counter of checks: of ``fall`` steps if up, of ``rise`` steps if down."""
    checked_s: float | None
    check_says: str
    check_failures: int
    downtimes: int
    weight: float
    """The weight that an administrator, the agent or DNS sets."""
    configured_weight: int
    share: float
    """The effective weight; with 0 the server gets no new sessions."""
    sessions: int
    maxconn: int
    is_backup: bool


@frozen(kw_only=True)
class SessionStatus:
    """One client that is connected."""

    id: str
    frontend: str
    client: str
    via: str | None
    stage: str
    age_s: float
    idle_s: float
    tls: str | None
    cipher: str | None
    sni: str | None
    cn: str | None
    verify: int | None
    backend: str | None
    """None: no server was needed yet."""
    server: str | None
    rule: str | None
    """The rule that decided for it."""
    label: str | None
    bytes_in: int
    bytes_out: int


@frozen(kw_only=True)
class RuleStatus:
    """One rule of a frontend."""

    frontend: str
    rule: str
    condition: str
    """What a client has to match, in one line that is not too long."""
    does: str
    clients: int
    """The clients that it has matched since the start."""


@frozen(kw_only=True)
class SourceStatus:
    """One source: an address or a network of clients."""

    source: str
    connections: int
    """Connections now."""
    rate: float
    """New connections in the last `rate_s` seconds."""
    rate_s: float
    handshake_failures: float
    handshake_failures_s: float
    auth_failures: float
    auth_failures_s: float


@frozen(kw_only=True)
class CertificateStatus:
    """One certificate of a TLS profile."""

    profile: str
    path: str
    names: tuple[str, ...]
    key: str | None
    not_after: str | None
    days_left: int | None
    """These three are None for a file that is refused and has no previous certificate in use."""
    refused: str
    """Why the file there, or its OCSP response, is refused; "" if it is not."""
    refused_s: float | None
    """How long ago the service found that."""
    is_previous: bool
    """True if the file at `path` is refused, and this is the certificate from before; False for an OCSP response."""


@frozen(kw_only=True)
class ConfigStatus:
    """The configuration file, as it was read."""

    file: str
    folder: str
    """The folder of its relative paths."""
    text: str
    started: str | None
    """The file as it was at the start, if a change since then takes effect only when mailproxy is restarted."""


@frozen(kw_only=True)
class CheckStatus:
    """The result of one check."""

    backend: str
    protocol: str
    server: str
    ok: bool
    says: str
    took_s: float


@frozen(kw_only=True)
class ChangeStatus:
    """A change by a reload, or a warning about the new configuration."""

    change: str
    needs_restart: bool = False
    """True if only a restart of the service applies it."""
    is_warning: bool = False


@frozen(kw_only=True)
class SocketStatus:
    """One listening socket; the answer to `hand over` sends its descriptor with the row."""

    address: str


@frozen(kw_only=True)
class LeaveStatus:
    """The stop of a process whose listening sockets another one has."""

    left_s: float
    """The longest time that its sessions have."""


Status = (
    Info
    | FrontendStatus
    | BackendStatus
    | RuleStatus
    | ServerStatus
    | BanStatus
    | SessionStatus
    | SourceStatus
    | CertificateStatus
    | ConfigStatus
    | CheckStatus
    | ChangeStatus
    | SocketStatus
    | LeaveStatus
)
