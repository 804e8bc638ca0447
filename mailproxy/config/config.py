"""The whole configuration, as `mailproxy.config.load` returns it."""

from collections.abc import Mapping
from typing import get_args

from attrs import field, frozen

from mailproxy.config.backend import Backend
from mailproxy.config.duration import IDLE, RAMP
from mailproxy.config.frontend import Frontend
from mailproxy.config.key import Fields, Tables, about, about_table
from mailproxy.config.kind import Kind, Wrong, integer, one_of
from mailproxy.config.model import LogFormat, LogLevel
from mailproxy.config.resolvers import Resolvers
from mailproxy.config.tls import TlsProfile
from mailproxy.config.words import described


def _workers(value: int | str) -> int:
    if value != 0:
        raise Wrong(f"is {described(value)}; this version is one process: leave it out or write 0")
    return 0


_WORKERS: Kind[int] = Kind((int, str), "0", _workers, schema={"enum": [0]})


@frozen
class Log:
    """What goes to stdout, ``[log]``."""

    format: LogFormat = field(
        default="text",
        metadata=about(
            one_of(get_args(LogFormat)),
            "One event a line on stdout, for people and journald, or for machines.",
            haproxy="log … format",
        ),
    )
    level: LogLevel = field(
        default="info",
        metadata=about(
            one_of(get_args(LogLevel)),
            "The least important events that are written. Sessions are `info`: with `warn` there is no line per "
            "session.",
            haproxy="log … level",
        ),
    )


@frozen(kw_only=True)
class Config:
    """One configuration file."""

    workers: int = field(
        default=0,
        metadata=about(
            _WORKERS,
            "One process; this version has no other way.",
            values="`0`",
            haproxy=("nbthread", "nbproc"),
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "Clients of all frontends at a time. 0: as many as the process may have open files for (two per client), "
            "since a limit that is guessed is wrong on every machine but one.",
            haproxy="maxconn",
        ),
    )
    hard_stop_after: float = field(
        default=10.0,
        metadata=about(
            IDLE,
            "After SIGTERM no client is accepted, and sessions have this long to end. IMAP sessions never end by "
            "themselves, so this must be short; mail clients reconnect. With the `drain-` keys it begins when their "
            "times are over.",
            haproxy="hard-stop-after",
        ),
    )
    drain_delay: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "After SIGTERM, and before anything else happens: so long mailproxy is not ready any more, and still "
            "accepts clients. For balancers, which need a few checks to send clients elsewhere.",
            haproxy="grace",
        ),
    )
    drain_timeout: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "Behind that: so long no client is accepted, and sessions are left to end by themselves. Deliveries do so "
            "within minutes, IMAP does not.",
        ),
    )
    drain_spread: float = field(
        default=0.0,
        metadata=about(
            RAMP,
            "Behind that: over this time sessions are told to go, each at a moment of its own, so that ten thousand "
            "clients do not connect again in the same second.",
            haproxy="close-spread-time",
        ),
    )
    log: Log = field(
        default=Log(),
        metadata=about_table(Fields(Log), "What is written, [see below](#log).", haproxy="log"),
    )
    tls: Mapping[str, TlsProfile] = field(
        factory=dict,
        metadata=about_table(
            Tables(Fields(TlsProfile)),
            "`[tls.NAME]`: how TLS is spoken to clients.",
            values="tables",
            default="none",
            haproxy="bind … ssl",
        ),
    )
    frontends: tuple[Frontend, ...] = field(
        metadata=about_table(
            Tables(Fields(Frontend)),
            "`[frontend.NAME]`: what clients connect to.",
            values="tables",
            is_needed=True,
            haproxy=("frontend", "listen"),
            name="frontend",
        ),
    )
    backends: Mapping[str, Backend] = field(
        metadata=about_table(
            Tables(Fields(Backend)),
            "`[backend.NAME]`: where clients are sent.",
            values="tables",
            is_needed=True,
            haproxy="backend",
            name="backend",
        ),
    )
    resolvers: Resolvers = field(
        factory=Resolvers,
        metadata=about_table(
            Fields(Resolvers),
            "How host names are looked up, [see below](#resolvers-how-host-names-are-looked-up).",
            haproxy="resolvers",
        ),
    )
