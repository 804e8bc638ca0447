"""
Messages between the main process, its workers and the forker: frozen values.

They are sent as pickles. All processes are forked from one, so they have the same classes, and no other process has an
end of the socket. But a worker faces the network, and the main process may have more rights. So from a worker, only
values of the classes in this module, and of their fields, are accepted (see `encoding`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mailproxy.balance.pool_server import ServerState
from mailproxy.config import Config
from mailproxy.config.model import MailProtocol
from mailproxy.control.questions import Question
from mailproxy.front.gentle_stop import StopTimes
from mailproxy.front.sockets import SocketKey
from mailproxy.names.record import Record
from mailproxy.networks.network_list import ReadList
from mailproxy.tls.server_files import ServerFiles
from mailproxy.tls.servers import TlsKey
from mailproxy.tls.store import Certificates
from mailproxy.tls.trust import ClientTrust
from mailproxy.tls.trust_files import TrustByProfile

# To workers.


@frozen
class ServerUpdate:
    """The state of a server for one protocol: all that the balance rules need."""

    backend: str
    protocol: MailProtocol
    server: str
    is_up: bool
    has_errors: bool
    """True if recent sessions did not reach it: then the worker reports the next one that does."""
    state: ServerState
    agent_state: ServerState
    weight: float
    maxconn: int
    backup: bool
    record: Record | None
    """Its address, if the configuration has a host name."""
    is_somewhere: bool
    """False without an address."""
    ramp_began: float | None
    """The start of its slowstart, by the clock that all processes share."""
    reason: str


@frozen
class Learned:
    """The capabilities that a frontend announces before STARTTLS."""

    frontend: str
    capabilities: tuple[bytes, ...]


@frozen
class Configure:
    """A reading of the configuration with its files; the descriptors of new sockets are sent with it."""

    number: int
    settings: Config
    source: str
    certificates: Certificates = field(repr=False)
    trusts: TrustByProfile = field(repr=False)
    server_files: ServerFiles = field(repr=False)
    """The authorities and certificates of the TLS towards servers."""
    lists: tuple[ReadList, ...] = field(repr=False)
    tickets: Mapping[TlsKey, int | None]
    """The numbers of the stock's contexts with the ticket keys."""
    places: Mapping[str, tuple[int, int]] = field(repr=False)
    """The places and lengths of the numbers in the pages."""
    sockets: tuple[SocketKey, ...]
    """The keys of the sent sockets, in order."""
    suspended: frozenset[str]
    """The drained frontends."""
    updates: tuple[ServerUpdate, ...] = field(repr=False)
    learned: tuple[Learned, ...] = field(repr=False)


@frozen
class Renewed:
    """The certificates of profiles with changes."""

    certificates: Certificates = field(repr=False)


@frozen
class Trusted:
    """The authorities and lists that verify the clients of a profile."""

    profile: str
    trust: ClientTrust = field(repr=False)


@frozen
class Listed:
    """The content of a file that lists networks, which has changed."""

    read: ReadList = field(repr=False)


@frozen
class Tickets:
    """The numbers of the stock's contexts with the ticket keys from now on."""

    numbers: Mapping[TlsKey, int | None]


@frozen
class Stop:
    """Stop: accept no more clients, end the sessions within these times, and exit."""

    times: StopTimes


@frozen
class StopNow:
    """End all sessions at once."""


@frozen
class Reopen:
    """Open log files by their paths again."""


@frozen
class DrainFrontend:
    """Refuse new clients of a frontend, after those in the queue; with `kick`, end its sessions as well."""

    frontend: str
    kick: bool
    spread: float | None


@frozen
class EnableFrontend:
    """Accept clients of a frontend again; the descriptors of new sockets are sent with it."""

    frontend: str
    sockets: tuple[SocketKey, ...]


@frozen
class Watch:
    """Start or stop sending log events, for administrators who watch."""

    is_on: bool
    sessions: bool
    """Whether those of sessions are wanted as well."""


@frozen
class Ask:
    """A question, which has an `Answer` with the same number."""

    number: int
    question: Question | DrainFrontend


# From a worker.


@frozen
class Ready:
    """The worker uses this reading of the configuration."""

    number: int


@frozen
class Unready:
    """The worker cannot use this reading of the configuration, and keeps the previous one."""

    number: int
    problem: str


@frozen
class Missed:
    """A session did not reach a server."""

    backend: str
    protocol: MailProtocol
    server: str
    reason: str
    source: bytes | None
    """The client's network if the client may have provoked it."""


@frozen
class Reached:
    """A session reached a server that earlier sessions did not reach."""

    backend: str
    protocol: MailProtocol
    server: str


@frozen
class Event:
    """The texts and numbers of a log event, with the name of its level."""

    level: str
    fields: Mapping[str, str | int | float]


@frozen
class Answer:
    """The answer to a question."""

    number: int
    value: Any
    problem: str = ""
    """The reason for the lack of a value."""


# To and from the forker.


@frozen
class Fork:
    """Make a worker, or another forker; its end of a socket is sent with it."""

    worker: int | None
    """The worker's number; None for a forker."""
    stamp: int
    """A number that no earlier process of mailproxy has had: session ids begin with it."""


@frozen
class AskAlive:
    """Answer `Alive`."""


@frozen
class Alive:
    """The forker works."""


@frozen
class Forked:
    """The new process is running."""

    stamp: int
    pid: int


@frozen
class NotForked:
    """There is no new process now: the system has no room for it."""

    worker: int | None
    stamp: int
    reason: str


@frozen
class Exited:
    """A process has ended."""

    pid: int
    status: int
    """The exit status, or the signal that ended it with a minus."""
