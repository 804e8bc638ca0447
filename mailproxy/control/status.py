"""
What a running service says of itself, as plain values.

They hold nothing but text, numbers and tuples of them, so that they can go over a socket, and be put together with
those of another process. Times are seconds before now. docs/ctl.md explains the fields.
"""

from __future__ import annotations

from attrs import frozen


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
    """Readings of the configuration that have sessions yet, the current one among them in any case."""
    watchers: int


@frozen(kw_only=True)
class FrontendStatus:
    """One frontend, with its sessions of all readings of the configuration."""

    frontend: str
    state: str
    """``open``; ``drain``: by hand; ``closing``: it left the configuration, or the service stops."""
    protocol: str
    tls: str
    listens: tuple[str, ...]
    backend: str
    current: int
    """Clients that are connected now."""
    maxconn: int
    connections: int
    headers: int
    header_errors: int
    handshake_errors: int
    no_server: int
    refused: int
    sessions: int
    """Clients that got to a server, since the start."""
    injections: int


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
    """Since when it stands so; None: since the start."""
    why: str
    admin: str
    """The state that is wanted by hand or by the configuration."""
    agent: str
    """The state that the server's agent wants."""
    check: str
    """The type of its check."""
    check_counts: str
    """Where the counter of checks stands: of ``fall`` steps if up, of ``rise`` steps if down."""
    checked_s: float | None
    check_says: str
    check_failures: int
    downtimes: int
    weight: float
    """The weight that is wanted."""
    configured_weight: int
    share: float
    """The weight that it has now; 0: it gets no new sessions."""
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
    backend: str
    server: str | None
    bytes_in: int
    bytes_out: int


@frozen(kw_only=True)
class CertificateStatus:
    """One certificate of a TLS profile."""

    profile: str
    path: str
    names: tuple[str, ...]
    key: str
    not_after: str
    days_left: int


@frozen(kw_only=True)
class ConfigStatus:
    """The configuration, as its file had it when it was read."""

    file: str
    folder: str
    """Where its relative paths begin."""
    text: str


@frozen(kw_only=True)
class CheckStatus:
    """What came of one check."""

    backend: str
    protocol: str
    server: str
    ok: bool
    says: str
    took_s: float


@frozen(kw_only=True)
class ChangeStatus:
    """One thing that a reload has changed, or that an administrator should know of what was read."""

    change: str
    needs_restart: bool = False
    """True if it takes effect when the service is started anew."""
    is_warning: bool = False


@frozen(kw_only=True)
class SocketStatus:
    """One listening socket; the answer to `hand over` has it beside the row."""

    address: str


Status = (
    Info
    | FrontendStatus
    | BackendStatus
    | ServerStatus
    | SessionStatus
    | CertificateStatus
    | ConfigStatus
    | CheckStatus
    | ChangeStatus
    | SocketStatus
)
