"""Reads ``[limits]`` and ``[frontend.NAME.limits]``: how much one source, or all of them, may ask of a frontend."""

from collections.abc import Mapping

from attrs import field, frozen

from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import integer
from mailproxy.config.measure import Counted
from mailproxy.config.place import Network
from mailproxy.config.rate import RATE, Rate
from mailproxy.config.senders import NETWORK
from mailproxy.config.table import Table

DEFAULT_SOURCES = 100_000
"""The size of the table of sources: 15 MB when it is full."""


@frozen(kw_only=True)
class SourceLimits:
    """The limits of each source."""

    source_connections: int | None = field(
        default=None,
        metadata=about(
            integer(1, 1_000_000),
            "The most connections of one source at once; further ones are closed when they are accepted. Mail clients "
            "open several for IMAP, and many people may share an address.",
            haproxy=("src_conn_cur", "sc_conn_cur"),
            default="no limit",
        ),
    )
    source_rate: Rate | None = field(
        default=None,
        metadata=about(
            RATE,
            'The most new connections of one source in a time: `"60/1m"`. Those that are closed for this count as '
            "well, as in HAProxy: a source that continues at this rate stays out.",
            haproxy=("src_conn_rate", "sc_conn_rate"),
            default="no limit",
        ),
    )
    source_handshake_failures: Rate | None = field(
        default=None,
        metadata=about(
            RATE,
            "The most TLS handshakes of one source that fail in a time; with more, its new connections are closed. "
            "Scanners fail with each connection. A client that does not trust the certificate fails as well.",
            default="no limit",
        ),
    )
    exempt: tuple[Network, ...] = field(
        default=(),
        metadata=about(
            NETWORK,
            "Clients from here are not counted, and have none of the `source-` limits: monitoring, webmail, relays. "
            "At a frontend, they have none of those in `[limits]` either. Those in `[limits]` are never refused for a "
            "ban.",
            values="list of networks",
            is_list=True,
        ),
    )

    @property
    def seconds(self) -> Mapping[Counted, float]:
        """The times in which events are counted; that of a rate without a limit is a usual one."""
        rate, failures = self.source_rate, self.source_handshake_failures
        return {
            "source-rate": 60.0 if rate is None else rate.seconds,
            "handshake-failures": 60.0 if failures is None else failures.seconds,
            "auth-failures": 600.0,
        }

    @property
    def has_source_limits(self) -> bool:
        """True if any source can be over a limit."""
        return any((self.source_connections, self.source_rate, self.source_handshake_failures))


@frozen(kw_only=True)
class Limits(SourceLimits):
    """The limits of each source at all frontends together, ``[limits]``."""

    source_prefix_v4: int = field(
        default=32,
        metadata=about(
            integer(8, 32),
            "The bits of an IPv4 address that make a source: clients with the same ones count together.",
        ),
    )
    source_prefix_v6: int = field(
        default=64,
        metadata=about(
            integer(16, 128),
            "The same for IPv6. With more than 64, each customer of an access provider has 2⁶⁴ sources or more.",
        ),
    )
    sources: int | None = field(
        default=None,
        metadata=about(
            integer(1000, 10_000_000),
            "The size of the table of sources, of all processes together: 146 bytes for each. When it is full, those "
            "without connections that have been silent longest leave it. Given "
            "without any limit: sources are only counted, for `mailproxy ctl show sources`. A change needs a restart.",
            haproxy="stick-table … size",
            default=f"{DEFAULT_SOURCES} if a limit needs it",
            needs_restart=True,
        ),
    )

    @property
    def size(self) -> int:
        """The size of the table of sources."""
        return self.sources or DEFAULT_SOURCES

    @property
    def prefix(self) -> tuple[int, int]:
        """The bits that make a source, of IPv4 and IPv6 addresses."""
        return self.source_prefix_v4, self.source_prefix_v6


@frozen(kw_only=True)
class FrontendLimits(SourceLimits):
    """The limits of one frontend, ``[frontend.NAME.limits]``: of each source there, and of all together."""

    handshakes: int | None = field(
        default=None,
        metadata=about(
            integer(1, 1_000_000),
            "The most TLS handshakes at once. While there are as many, no client is accepted: new ones wait in the "
            "kernel's queue, and those that have begun are finished first.",
            haproxy=("maxsslconn", "maxsslrate"),
            default="no limit",
        ),
    )
    rate: Rate | None = field(
        default=None,
        metadata=about(
            RATE,
            "The most new connections in a time; further clients wait in the kernel's queue.",
            haproxy=("rate-limit sessions", "maxconnrate", "maxsessrate"),
            default="no limit",
        ),
    )
    auth_failures_per_session: int | None = field(
        default=None,
        metadata=about(
            integer(1, 100),
            "A session ends when the server has refused this many logins in it, among the first 16,384 bytes of what "
            "the server says ([bans.md](bans.md#refused-logins)). Only for protocols with logins.",
            default="no limit",
        ),
    )


def read_limits(table: Table) -> Limits:
    """Read the table."""
    return read_keys(table, Limits())


def read_frontend_limits(logins_are_missing: str, table: Table) -> FrontendLimits:
    """Read the table of a frontend; the first argument says why it has no logins, "" if it has."""
    limits = read_keys(table, FrontendLimits())
    if limits.auth_failures_per_session is not None and logins_are_missing:
        table.report("auth-failures-per-session", logins_are_missing)
    return limits
