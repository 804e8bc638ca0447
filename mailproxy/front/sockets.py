"""The listening sockets of the process, by the address that they are bound to."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator

from mailproxy import config
from mailproxy.front.socket_source import SocketSource
from mailproxy.transport.bound import Bound

SocketKey = tuple[config.Bind, int]
"""An address, and a number that distinguishes several sockets with port 0."""


class StartError(Exception):
    """The service cannot listen; the text has one line for each socket."""


class Sockets:
    """
    The process's listening sockets. Opening one may need privileges; it needs no reactor, and survives a fork.

    A socket stays open from one reading of the configuration to the next if both have its address. Other processes can
    have the sockets as well (`share`).
    """

    def __init__(self) -> None:
        self.source = SocketSource()
        """Has the sockets that the process did not open itself."""
        self._open: dict[SocketKey, Bound] = {}
        self._suspended: set[str] = set()

    def keep_drained(self, frontends: Iterable[config.Frontend]) -> None:
        """
        Keep frontends drained that another process has drained; call this when its sockets are offered, before `bind`.

        Their offered TCP sockets are kept without listening, so their addresses stay in use.
        """
        for frontend in frontends:
            self._suspended.add(frontend.name)
            for _, key in self._keys([frontend]):
                offered = self.source.take_offered(key[0])
                if offered is not None:
                    self._open[key] = Bound(offered, is_shared=True)

    @property
    def idle(self) -> list[tuple[str, str]]:
        """The names and places of lent sockets that no frontend has: their clients are never accepted."""
        used = {bound.place for bound in self._open.values()}
        return [(name, place) for name, place in self.source.lent if place not in used]

    @property
    def bounds(self) -> list[Bound]:
        """The open ones."""
        return list(self._open.values())

    @property
    def sockets(self) -> list[socket.socket]:
        """The open sockets."""
        return [bound.socket for bound in self._open.values()]

    def share(self, *, with_others: bool) -> None:
        """With `with_others`, another process has the sockets as well, so their files are not removed on close."""
        for bound in self._open.values():
            bound.is_shared = with_others

    @property
    def suspended(self) -> frozenset[str]:
        """The names of the frontends that accept no clients for now."""
        return frozenset(self._suspended)

    def bind(self, frontends: Iterable[config.Frontend]) -> None:
        """Open the missing sockets; if some cannot be opened, close the new ones and raise `StartError` with each."""
        opened: dict[SocketKey, Bound] = {}
        problems = []
        for frontend, key in self._keys(frontends):
            if key in self._open or frontend.name in self._suspended:
                continue
            try:
                opened[key] = self.source.open(*key)
            except OSError as error:
                reason = error.strerror or str(error)
                problems.append(f"frontend.{frontend.name}.bind: cannot listen on {key[0]}: {reason}")
        if problems:
            for bound in opened.values():
                bound.close()
            raise StartError("\n".join(problems))
        self._open |= opened

    def __getitem__(self, key: SocketKey) -> Bound:
        """Return an open socket."""
        return self._open[key]

    def keys(self) -> set[SocketKey]:
        """Return the keys of the open sockets."""
        return set(self._open)

    def adopt(self, key: SocketKey, bound: Bound) -> None:
        """Use a socket that another process has opened."""
        self._open[key] = bound

    def by_frontend(self, frontends: Iterable[config.Frontend]) -> dict[str, list[Bound]]:
        """Return the sockets of each frontend, by its name, in the order of its addresses; none if it is suspended."""
        found: dict[str, list[Bound]] = {}
        for frontend, key in self._keys(frontends):
            bounds = found.setdefault(frontend.name, [])
            if frontend.name not in self._suspended:
                bounds.append(self._open[key])
        return found

    def keep_away(self, frontend: config.Frontend) -> bool:
        """
        Keep new clients away from a frontend before `suspend`.

        True: clients whose handshake is under way have `HANDSHAKE_SECONDS` to get through. False: none are kept away.
        """
        if frontend.name in self._suspended:
            return False
        return sum(bound.keep_away() for _, bound in self._of(frontend)) > 0

    def let_in(self, frontend: config.Frontend) -> None:
        """Let new clients in again."""
        for _, bound in self._of(frontend):
            bound.let_in()

    def refuse(self, frontend: config.Frontend) -> None:
        """Refuse new clients of a frontend's UNIX sockets; those in their queues can be accepted."""
        for _, bound in self._of(frontend):
            bound.refuse()

    def suspend(self, frontend: config.Frontend) -> None:
        """Refuse the clients of a frontend until `resume`; stop its listeners first."""
        if frontend.name in self._suspended:
            return
        self._suspended.add(frontend.name)
        for key, bound in self._of(frontend):
            if bound.is_unix:
                self._open.pop(key).close()
            else:
                bound.suspend()

    def mark_suspended(self, frontends: Iterable[config.Frontend]) -> None:
        """Set the frontends that another process with the same sockets has suspended."""
        for frontend in frontends:
            self._suspended.add(frontend.name)
            for key, bound in self._of(frontend):
                if bound.is_unix:
                    self._open.pop(key).close()

    def resume(self, frontend: config.Frontend) -> None:
        """
        Listen for a frontend again; if a socket cannot listen, it stays suspended, and `StartError` names each.
        """
        self._suspended.discard(frontend.name)
        try:
            self.bind([frontend])
            for _, bound in self._of(frontend):
                bound.resume()
        except (StartError, OSError) as error:
            self.suspend(frontend)
            if isinstance(error, StartError):
                raise
            raise StartError(f"frontend.{frontend.name}.bind: cannot listen: {error.strerror or error}") from error

    def _of(self, frontend: config.Frontend) -> list[tuple[SocketKey, Bound]]:
        return [(key, self._open[key]) for _, key in self._keys([frontend]) if key in self._open]

    def keys_of(self, frontend: config.Frontend) -> list[SocketKey]:
        """Return the keys of a frontend's sockets, as long as no other one has the same port 0."""
        return [key for _, key in self._keys([frontend])]

    def _keys(self, frontends: Iterable[config.Frontend]) -> Iterator[tuple[config.Frontend, SocketKey]]:
        seen: Counter[config.Bind] = Counter()
        for frontend in frontends:
            for bind in frontend.bind:
                for _ in range(self._count(bind)):
                    yield frontend, (bind, seen[bind])
                    seen[bind] += 1

    def _count(self, bind: config.Bind) -> int:
        """Return how many sockets there are for one entry of `bind`."""
        if not isinstance(bind, config.SystemdBind):
            return 1
        # A worker has what the main process has opened.
        return max(1, self.source.count_lent(bind.name), sum(1 for key in self._open if key[0] == bind))

    def addresses(self, frontends: Iterable[config.Frontend]) -> dict[str, tuple[str, ...]]:
        """Return the addresses that each frontend listens on now, as text, by its name."""
        found: dict[str, tuple[str, ...]] = {}
        for frontend, key in self._keys(frontends):
            bound = None if frontend.name in self._suspended else self._open.get(key)
            found[frontend.name] = found.get(frontend.name, ()) + (() if bound is None else (bound.address,))
        return found

    def close_others(self, frontends: Iterable[config.Frontend]) -> None:
        """Close the sockets that these frontends do not use."""
        frontends = tuple(frontends)
        wanted = {key for _, key in self._keys(frontends)}
        self._suspended &= {frontend.name for frontend in frontends}
        for key in self._open.keys() - wanted:
            self._open.pop(key).close()

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()
