"""Reads ``[log]`` and the ``log`` of a frontend: target, format and level of log lines."""

from typing import Any, get_args

from attrs import evolve, field, fields, frozen

from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import Kind, one_of
from mailproxy.config.model import LogFacility, LogFormat, LogLevel
from mailproxy.config.table import Table
from mailproxy.config.target import STDOUT, TARGET, LogTarget

_FORMAT: Kind[LogFormat] = one_of(get_args(LogFormat))
_LEVEL: Kind[LogLevel] = one_of(get_args(LogLevel))
_FACILITY: Kind[LogFacility] = one_of(get_args(LogFacility))
_OF_ALL = "that of `[log]`"


@frozen
class Log:
    """Where log lines go, in which format, from which level on, ``[log]``."""

    format: LogFormat = field(
        default="text",
        metadata=about(
            _FORMAT,
            "The format, one event a line: text for people, JSON for programs.",
            haproxy="log … format",
        ),
    )
    level: LogLevel = field(
        default="info",
        metadata=about(
            _LEVEL,
            "The lowest level that is written. Sessions are `info`: with `warn` there is no line per session.",
            haproxy="log … level",
        ),
    )
    target: LogTarget = field(
        default=STDOUT,
        metadata=about(
            TARGET,
            "Where lines go: to standard output, to a file, to the journal with each field as its own field, or to "
            "syslog (RFC 5424) over `/dev/log`, UDP or TCP. The service never waits for the target. "
            "[log.md](log.md#targets) has the details.",
            haproxy="log",
        ),
    )
    facility: LogFacility = field(
        default="mail",
        metadata=about(
            _FACILITY,
            "The facility for syslog and the journal. Mail servers use `mail`.",
            haproxy="log … facility",
        ),
    )


@frozen
class FrontendLog:
    """The log of a frontend, ``[frontend.NAME.log]``; None: as in ``[log]``."""

    format: LogFormat | None = field(
        default=None, metadata=about(_FORMAT, "As in `[log]`.", default=_OF_ALL, haproxy="log … format")
    )
    level: LogLevel | None = field(
        default=None, metadata=about(_LEVEL, "As in `[log]`.", default=_OF_ALL, haproxy="log … level")
    )
    target: LogTarget | None = field(
        default=None, metadata=about(TARGET, "As in `[log]`.", default=_OF_ALL, haproxy="log")
    )
    facility: LogFacility | None = field(
        default=None, metadata=about(_FACILITY, "As in `[log]`.", default=_OF_ALL, haproxy="log … facility")
    )

    def over(self, log: Log) -> Log:
        """Return the settings for the frontend, with `log` for the keys that it does not have."""
        own: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(FrontendLog)}
        return evolve(log, **{name: value for name, value in own.items() if value is not None})


def read_log(table: Table) -> Log:
    """Read ``[log]``."""
    return read_keys(table, Log())


def read_frontend_log(table: Table) -> FrontendLog:
    """Read ``[frontend.NAME.log]``."""
    return read_keys(table, FrontendLog())
