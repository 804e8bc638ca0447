"""Targets of the log: their values, and the kind of the key."""

from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from attrs import frozen

from mailproxy.config.address import to_connect_to, unix_path
from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import nearest, quoted
from mailproxy.proxyprotocol.address import host_port

JOURNAL_SOCKET = "/run/systemd/journal/socket"
SYSLOG_SOCKET = "/dev/log"
SYSLOG_PORT = 514

_NEEDS = (
    '"stdout", "journal", "syslog", "syslog:udp:192.0.2.1:514", "syslog:tcp:192.0.2.1:514", '
    'or the path of a file such as "/var/log/mailproxy/mailproxy.log"'
)
_PEER = 'an address such as "192.0.2.1:514" or "[2001:db8::1]:514"'


Transport = Literal["udp", "tcp"]
_TRANSPORTS: dict[str, Transport] = {"udp": "udp", "tcp": "tcp"}


@frozen
class Stdout:
    """Standard output."""

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return "stdout"


@frozen
class LogFile:
    """A file that lines are added to."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return self.path


@frozen
class Journal:
    """The socket of journald's native protocol."""

    path: str = JOURNAL_SOCKET

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return "journal" if self.path == JOURNAL_SOCKET else f"journal:{self.path}"


@frozen
class SyslogSocket:
    """A syslog server of this machine."""

    path: str = SYSLOG_SOCKET

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return "syslog" if self.path == SYSLOG_SOCKET else f"syslog:{self.path}"


@frozen
class SyslogPeer:
    """A syslog server by its address."""

    transport: Transport
    host: IPv4Address | IPv6Address
    port: int = SYSLOG_PORT

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"syslog:{self.transport}:{host_port(self.host, self.port)}"


LogTarget = Stdout | LogFile | Journal | SyslogSocket | SyslogPeer

STDOUT = Stdout()


def _target(text: str) -> LogTarget:
    word, _, rest = text.partition(":")
    if text == "stdout":
        return STDOUT
    if text.startswith("/"):
        return LogFile(_file_path(text))
    if text == "journal":
        return Journal()
    if word == "journal" and rest.startswith("/"):
        return Journal(unix_path(rest))
    if text == "syslog":
        return SyslogSocket()
    if word == "syslog":
        return _syslog(text, rest)
    meant = nearest(text, ("stdout", "journal", "syslog"))
    hint = f"; did you mean {quoted(meant)}?" if meant is not None else ""
    raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}{hint}")


def _syslog(text: str, rest: str) -> LogTarget:
    if rest.startswith("/"):
        return SyslogSocket(unix_path(rest))
    word, _, address = rest.partition(":")
    if word not in _TRANSPORTS:
        raise WrongValue(f"is {quoted(text)}, needs {_NEEDS}")
    host, port = to_connect_to(address, _PEER)
    return SyslogPeer(_TRANSPORTS[word], host, SYSLOG_PORT if port is None else port)


def _file_path(text: str) -> str:
    if not text.isprintable() or text.endswith("/"):
        raise WrongValue(f'is {quoted(text)}, needs the path of a file such as "/var/log/mailproxy/mailproxy.log"')
    return text


TARGET: Kind[LogTarget] = Kind(
    (str,),
    _NEEDS,
    _target,
    '`"stdout"`, path of a file, `"journal"`, `"syslog"`, `"syslog:udp:ADDRESS"`, `"syslog:tcp:ADDRESS"`',
    {"pattern": "^(stdout$|/|journal(:/|$)|syslog(:/|:udp:|:tcp:|$))"},
    write=str,
)
