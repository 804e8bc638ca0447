"""The whole configuration, as `mailproxy.config.load` returns it."""

from collections.abc import Mapping
from typing import get_args

from attrs import field, frozen

from mailproxy.config.backend import Backend
from mailproxy.config.duration import IDLE
from mailproxy.config.frontend import Frontend
from mailproxy.config.key import about
from mailproxy.config.kind import integer, one_of
from mailproxy.config.model import LogFormat, LogLevel
from mailproxy.config.resolvers import Resolvers
from mailproxy.config.tls import TlsProfile


@frozen
class Log:
    """What goes to stdout, ``[log]``."""

    format: LogFormat = field(
        default="text",
        metadata=about(
            one_of(get_args(LogFormat)), "One event a line on stdout, for people and journald, or for machines."
        ),
    )
    level: LogLevel = field(
        default="info",
        metadata=about(
            one_of(get_args(LogLevel)),
            "The least important events that are written. Sessions are `info`: with `warn` there is no line per "
            "session.",
        ),
    )


@frozen(kw_only=True)
class Config:
    """One configuration file."""

    log: Log = Log()
    resolvers: Resolvers = field(factory=Resolvers)
    hard_stop_after: float = field(
        default=10.0,
        metadata=about(
            IDLE,
            "After SIGTERM no client is accepted, and sessions have this long to end. IMAP sessions never end by "
            "themselves, so this must be short; mail clients reconnect.",
        ),
    )
    maxconn: int = field(
        default=0,
        metadata=about(
            integer(0, 10_000_000),
            "Clients of all frontends at a time. 0: as many as the process may have open files for (two per client), "
            "since a limit that is guessed is wrong on every machine but one.",
        ),
    )
    tls: Mapping[str, TlsProfile] = field(factory=dict)
    frontends: tuple[Frontend, ...]
    backends: Mapping[str, Backend]
