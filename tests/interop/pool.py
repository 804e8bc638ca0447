"""A pool of recording backends behind one mailproxy; a test makes the checks of each pass or fail."""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from tests.interop.clients import connect, read_line
from tests.interop.front import Event, Front, Table, frontend
from tests.interop.ports import free_port
from tests.interop.recorder import Behaviour, Recorder, echo
from tests.interop.server import ThreadedServer, until_end
from tests.interop.waiting import is_ready

# Checks are so frequent that nobody waits for them, and rise and fall are still more than one.
INTER, RISE, FALL = 0.15, 2, 2
CHECK: Table = {"type": "tcp", "inter": "150ms", "timeout": "30s", "check-header": "none", "rise": RISE, "fall": FALL}

# For what happens at once, on a machine that has much else to do; all that could happen instead takes longer.
SOON = 10.0
CONNECT = "30s"

_GREETINGS = {
    "imap": "* OK {}\r\n",
    "pop3": "+OK {}\r\n",
    "submission": "220 {}\r\n",
    "lmtp": "220 {}\r\n",
    "managesieve": 'OK "{}"\r\n',
}


def changes(front: Front, **fields: Any) -> list[Event]:
    """What the log has said so far of changes of servers."""
    return front.events(event="server", **fields)


def until_change(front: Front, count: int = 1, **fields: Any) -> Event:
    """The log line of the count-th change of this kind, awaited."""
    return front.until_events(count, event="server", **fields)[count - 1]


class Switch:
    """What checks of a server connect to: it listens, or it does not."""

    def __init__(self, *, on: bool = True) -> None:
        self.port = free_port()
        self.visits: list[float] = []
        self._server: ThreadedServer | None = None
        if on:
            self.turn_on()

    def turn_on(self) -> None:
        """Make checks pass."""
        self._server = ThreadedServer(lambda _: self.visits.append(time.monotonic()), port=self.port)

    def turn_off(self) -> None:
        """Make checks fail."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Client:
    """A connected client, and which server it has come to; leaving the `with` block closes it."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self.socket = connect(port, source)
        self.address = self.socket.getsockname()

    @property
    def greeting(self) -> str:
        """The first line that it gets; to be read once."""
        return read_line(self.socket).decode().rstrip("\r\n")

    @property
    def server(self) -> str:
        """The name that stands in the greeting; to be read once."""
        greeting = self.greeting
        words = greeting.replace('"', "").split()
        assert len(words) in (2, 3), f"not a greeting of a recording backend: {greeting!r}"
        return words[-1]

    def has_to_wait(self, seconds: float) -> bool:
        """Whether nothing comes for so long, not even an end."""
        return not is_ready(self.socket, seconds)

    def is_answered(self) -> bool:
        """Whether its session is alive."""
        self.socket.sendall(b"echo\r\n")
        return read_line(self.socket) == b"echo\r\n"

    def rest(self) -> bytes:
        """What comes until the session is ended."""
        return until_end(self.socket)

    def part(self) -> None:
        """End the session, and wait until it is over."""
        self.socket.shutdown(socket.SHUT_WR)
        self.rest()

    def leave(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Pool:
    """The front, and by name its servers' recording backends and switches; leaving the `with` block ends them all."""

    def __init__(
        self,
        stack: ExitStack,
        start_front: Any,
        servers: Mapping[str, Table],
        *,
        protocol: str = "imap",
        checked: bool = True,
        behaviours: Mapping[str, Behaviour] | None = None,
        off: Iterable[str] = (),
        workers: int = 0,
        top: Table | None = None,
        frontends: Table | None = None,
        **backend: Any,
    ) -> None:
        """
        Start everything.

        `servers` has more keys for each server (with hyphens), the rest is the backend's (with underscores).
        Servers greet with their name and send back what comes, unless `behaviours` has something else for them.
        `off` names those whose checks fail from the beginning. `top` has further tables, `frontends` further frontends.
        """
        off = set(off)
        self.port = free_port()
        self.switches: dict[str, Switch] = {}
        self.recorders: dict[str, Recorder] = {}
        tables: dict[str, Table] = {}
        for name, keys in servers.items():
            behave = (behaviours or {}).get(name) or echo(_GREETINGS[protocol].format(name).encode())
            recorder = self.recorders[name] = Recorder(behave)
            stack.callback(recorder.close)
            switch = self.switches[name] = Switch(on=name not in off)
            stack.callback(switch.turn_off)
            check = {**CHECK, "port": switch.port, **keys.get("check", {})} if checked else {"type": "none"}
            tables[name] = {"address": f"127.0.0.1:{recorder.port}", **keys, "check": check}
        theirs = {key.replace("_", "-"): value for key, value in backend.items()}
        first = frontend(self.port, "pool", protocol=protocol, tls="none")
        self.configuration: Table = {
            "workers": workers,
            **(top or {}),
            "frontend": {"front": first, **(frontends or {})},
            "backend": {"pool": {"timeout": {"connect": CONNECT}, **theirs, "server": tables}},
        }
        self.front: Front = start_front(self.configuration)

    def client(self, source: str = "127.0.0.1") -> Client:
        """A client that has connected."""
        return Client(self.port, source)

    def spread(self, sources: Sequence[str]) -> Counter[str]:
        """How many of clients that come one after the other, and leave, get to which server."""
        counts: Counter[str] = Counter()
        for source in sources:
            with self.client(source) as client:
                counts[client.server] += 1
                client.part()  # the next one must not find this session on its server yet
        return counts

    def turn_off(self, *names: str) -> None:
        """Make the checks of servers fail, and wait until they are down."""
        before = {name: len(self.changes(name, "down")) for name in names}
        for name in names:
            self.switches[name].turn_off()
        for name in names:
            self.until(name, "down", before[name] + 1)

    def turn_on(self, *names: str) -> None:
        """Make the checks of servers pass, and wait until they are up."""
        before = {name: len(self.changes(name, "up")) for name in names}
        for name in names:
            self.switches[name].turn_on()
        for name in names:
            self.until(name, "up", before[name] + 1)

    def changes(self, name: str, state: str) -> list[Event]:
        """The log lines so far about a server that got into a state."""
        return changes(self.front, server=name, state=state)

    def all_changes(self, name: str, state: str) -> list[Event]:
        """All log lines about a server that has got into a state until now."""
        return self.front.all_events(event="server", server=name, state=state)

    def until(self, name: str, state: str, count: int = 1) -> Event:
        """The log line about the count-th time that a server got into a state, awaited."""
        return until_change(self.front, count, server=name, state=state)
