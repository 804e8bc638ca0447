"""
What the main process, its workers and the forker tell each other: frozen values.

They travel as pickles. Who reads them was forked from who writes them, so both have the same classes; nobody else has
an end of the socket. A worker faces the network, though, and the main process may have more rights than it: of what a
worker says only values of the classes here, and of what they are made of, are taken (see `channel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from mailproxy.balance.pool_server import ServerState
from mailproxy.config import Config
from mailproxy.config.model import MailProtocol
from mailproxy.control.questions import Question
from mailproxy.front.sockets import Key as SocketKey
from mailproxy.front.stopping import StopTimes
from mailproxy.names import Record
from mailproxy.tls.servers import Key as TlsKey
from mailproxy.tls.store import Certificates
from mailproxy.tls.trust import ClientTrust
from mailproxy.tls.trust_files import TrustByProfile

# To a worker.


@frozen
class Standing:
    """How a server stands, for one protocol: all that picking it depends on."""

    backend: str
    protocol: MailProtocol
    server: str
    is_up: bool
    has_errors: bool
    """True when sessions have not reached it lately: the main process wants to know of the next one that does."""
    state: ServerState
    agent_state: ServerState
    weight: float
    maxconn: int
    backup: bool
    record: Record | None
    """Where it is, if the configuration has a name."""
    is_somewhere: bool
    """False if it has no address."""
    ramp_began: float | None
    """When its slowstart began, by the clock that all processes have."""
    reason: str


@frozen
class Learned:
    """What is announced to a frontend's clients before STARTTLS."""

    frontend: str
    capabilities: tuple[bytes, ...]


@frozen
class Reading:
    """A reading of the configuration, files included; the descriptors of new sockets come with it."""

    number: int
    settings: Config
    source: str
    certificates: Certificates = field(repr=False)
    trusts: TrustByProfile = field(repr=False)
    tickets: Mapping[TlsKey, int | None]
    """Which contexts of the stock have the ticket keys."""
    places: Mapping[str, int] = field(repr=False)
    """Which numbers of the pages count what."""
    sockets: tuple[SocketKey, ...]
    """What the descriptors are bound to, in order."""
    suspended: frozenset[str]
    """The frontends that accept no clients for now."""
    standings: tuple[Standing, ...] = field(repr=False)
    learned: tuple[Learned, ...] = field(repr=False)


@frozen
class Renewed:
    """The certificates of profiles where some have changed."""

    certificates: Certificates = field(repr=False)


@frozen
class Trusted:
    """What the clients of a profile are verified with."""

    profile: str
    trust: ClientTrust = field(repr=False)


@frozen
class Tickets:
    """Which contexts of the stock have the ticket keys from now on."""

    numbers: Mapping[TlsKey, int | None]


@frozen
class Stop:
    """Accept no more, end the sessions politely within these times, and end."""

    times: StopTimes


@frozen
class StopNow:
    """End all sessions at once."""


@frozen
class Reopen:
    """Open log files by their names again."""


@frozen
class DrainFrontend:
    """Refuse new clients of a frontend, after those that wait; let its sessions end as well if so wanted."""

    frontend: str
    kick: bool
    spread: float | None


@frozen
class EnableFrontend:
    """Accept clients of a frontend again; the descriptors of sockets that are new come with this."""

    frontend: str
    sockets: tuple[SocketKey, ...]


@frozen
class Watch:
    """Tell of each event of the log, or no more: administrators watch."""

    is_on: bool


@frozen
class Ask:
    """A question, which has an `Answer` with the same number."""

    number: int
    question: Question | DrainFrontend


# From a worker.


@frozen
class Ready:
    """The worker works by this reading of the configuration."""

    number: int


@frozen
class Unready:
    """The worker could not take up this reading of the configuration, and goes on with the one before."""

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
    """A session reached a server that others had not reached."""

    backend: str
    protocol: MailProtocol
    server: str


@frozen
class Event:
    """What was logged, as far as it is texts and numbers, with the name of its level."""

    level: str
    fields: Mapping[str, str | int | float]


@frozen
class Answer:
    """What came of a question."""

    number: int
    value: Any
    problem: str = ""
    """Why there is no value."""


# To and from the forker.


@frozen
class Fork:
    """Make a worker, or another forker; its end of a socket comes with this."""

    worker: int | None
    """The worker's number; None for a forker."""
    stamp: int
    """What no process of this service ever had: session ids begin with it."""


@frozen
class Forked:
    """The process that was wanted is there."""

    stamp: int
    pid: int


@frozen
class Exited:
    """A process has ended."""

    pid: int
    status: int
    """The exit status, or the signal that ended it with a minus."""
