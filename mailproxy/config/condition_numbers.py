"""The tables of a condition that compare numbers: servers, sessions, and what is counted of a source."""

from typing import TypeVar

from attrs import field, frozen

from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import NAME, Kind, WrongValue, integer
from mailproxy.config.measure import Counted, Measure
from mailproxy.config.rate import RATE, Rate
from mailproxy.config.table import Table
from mailproxy.config.words import quoted


def _prefix(text: str) -> int:
    bits = text.removeprefix("/")
    if bits == text or not (bits.isascii() and bits.isdigit() and 1 <= int(bits[:4]) <= 128):
        raise WrongValue(f'is {quoted(text)}, needs the length of a prefix such as "/24" or "/64"')
    return int(bits)


_PREFIX: Kind[int] = Kind(
    (str,), 'the length of a prefix such as "/64"', _prefix, '`"/1"` to `"/128"`', {"pattern": "^/[0-9]{1,3}$"}
)

_IPV4_BITS = 32

_PER = about(
    _PREFIX,
    "What counts as one source: a length up to 32 is for IPv4, a longer one for IPv6; a list may have one of each. "
    "By default `source-prefix-v4` and `source-prefix-v6` of `[limits]`.",
    values="prefix lengths",
    default="of `[limits]`",
    is_list=True,
    or_one=True,
)


@frozen(kw_only=True)
class ServersUp:
    """A number of servers that a backend has."""

    backend: str = field(default="", metadata=about(NAME, "The `[backend.NAME]`.", values="name", is_needed=True))
    under: int | None = field(
        default=None,
        metadata=about(integer(1, 100_000), "Fewer than this number of servers may take clients.", default="none"),
    )
    over: int | None = field(
        default=None,
        metadata=about(integer(0, 100_000), "More than this number of servers may take clients.", default="none"),
    )


@frozen(kw_only=True)
class SessionsNow:
    """A number of sessions that a frontend or a backend has."""

    frontend: str | None = field(default=None, metadata=about(NAME, "The `[frontend.NAME]`.", values="name"))
    backend: str | None = field(
        default=None,
        metadata=about(NAME, "The `[backend.NAME]`, for the protocol of this frontend.", values="name"),
    )
    under: int | None = field(
        default=None, metadata=about(integer(1, 10_000_000), "Fewer sessions than this number.", default="none")
    )
    over: int | None = field(
        default=None,
        metadata=about(
            integer(0, 10_000_000), "More sessions than this number, the client's own among them.", default="none"
        ),
    )


@frozen(kw_only=True)
class SourceConnections:
    """A number of connections that a source has."""

    over: int = field(
        default=0, metadata=about(integer(0, 10_000_000), "More connections than this number.", is_needed=True)
    )
    per: tuple[int, ...] = field(default=(), metadata=_PER)


@frozen(kw_only=True)
class SourceRate:
    """A number of events of a source in a time."""

    over: Rate = field(
        default=Rate(0, 1.0), metadata=about(RATE, "More than this number in the time after it.", is_needed=True)
    )
    per: tuple[int, ...] = field(default=(), metadata=_PER)


_Bounds = TypeVar("_Bounds", ServersUp, SessionsNow)


def measure(counted: Counted, seconds: float, per: tuple[int, ...]) -> Measure:
    """Return what has to be counted of sources, with these lengths of prefixes."""
    bits4 = next((bits for bits in per if bits <= _IPV4_BITS), None)
    bits6 = next((bits for bits in per if bits > _IPV4_BITS), None)
    return Measure(counted, seconds, bits4, bits6)


def measure_of(counted: Counted, wanted: SourceConnections | SourceRate) -> Measure:
    """Return what has to be counted of sources for one condition."""
    seconds = wanted.over.seconds if isinstance(wanted, SourceRate) else 0.0
    return measure(counted, seconds, wanted.per)


def read_servers_up(table: Table) -> ServersUp:
    """Read ``servers-up``."""
    return _bounded(table, read_keys(table, ServersUp()))


def read_sessions(table: Table) -> SessionsNow:
    """Read ``sessions``."""
    if ("frontend" in table) == ("backend" in table):
        table.report_itself("needs the name of a frontend or of a backend, one of the two")
    return _bounded(table, read_keys(table, SessionsNow()))


def _bounded(table: Table, bounds: _Bounds) -> _Bounds:
    under, over = bounds.under, bounds.over
    if "under" not in table and "over" not in table:
        table.report_itself("needs a number: under = 1, or over = 100")
    elif under is not None and over is not None and over + 1 >= under:
        table.report(
            "under", f"is {under}, and no number is under {under} and over {over}; for one of the two, use any"
        )
    return bounds


def read_connections(table: Table) -> SourceConnections:
    """Read ``source-connections``."""
    connections = read_keys(table, SourceConnections())
    _check_per(table, connections.per)
    return connections


def read_rate(table: Table) -> SourceRate:
    """Read ``source-rate`` and the other rates."""
    rate = read_keys(table, SourceRate())
    _check_per(table, rate.per)
    return rate


def _check_per(table: Table, per: tuple[int, ...]) -> None:
    if len({bits <= _IPV4_BITS for bits in per}) < len(per):
        table.report("per", "has two lengths for one family; up to 32 is for IPv4, more is for IPv6")
