"""Where listening sockets come from: systemd lends them, another process offers its own, and the others are new."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from mailproxy import config
from mailproxy.transport.binding import adopt, bind_inet, bind_unix, borrow
from mailproxy.transport.bound import Bound, place_of


class SocketSource:
    """The sockets that the process did not open itself, until they are used (mutable)."""

    def __init__(self) -> None:
        self._lent: dict[str, list[socket.socket]] = {}
        self._offered: dict[str, list[socket.socket]] = {}

    def lend(self, name: str, sock: socket.socket) -> None:
        """Take a listening socket that belongs to systemd, which has it under this name; it stays open for good."""
        self._lent.setdefault(name, []).append(sock)

    @property
    def lent(self) -> list[tuple[str, str]]:
        """The names and places of the lent sockets, used or not."""
        return [(name, place_of(sock)) for name, sockets in self._lent.items() for sock in sockets]

    def count_lent(self, name: str) -> int:
        """Return how many sockets systemd has lent under a name."""
        return len(self._lent.get(name, ()))

    def offer(self, sockets: Iterable[socket.socket]) -> None:
        """Take listening sockets that another process has opened; `open` uses them instead of new ones."""
        for sock in sockets:
            self._offered.setdefault(place_of(sock), []).append(sock)

    def take_offered(self, bind: config.Bind) -> socket.socket | None:
        """Return an offered socket at an address, which is not offered any more; None if there is none."""
        offered = None if isinstance(bind, config.SystemdBind) else self._offered.get(place_to_bind(bind))
        return offered.pop(0) if offered else None

    def close_offered(self) -> None:
        """Close the offered sockets that were not used."""
        while self._offered:
            for sock in self._offered.popitem()[1]:
                sock.close()

    def open(self, bind: config.Bind, number: int = 0, mode: int | None = None) -> Bound:
        """
        Listen at an address; OSError if that fails.

        `number` chooses among systemd's sockets of one name; `mode` is that of the file of a new UNIX socket.
        """
        if isinstance(bind, config.SystemdBind):
            return self._borrow(bind, number)
        place = place_to_bind(bind)
        lent = next((sock for sockets in self._lent.values() for sock in sockets if place_of(sock) == place), None)
        if lent is not None:
            return borrow(lent)
        offered = self.take_offered(bind)
        return _listen(bind, mode) if offered is None else adopt(offered)

    def _borrow(self, bind: config.SystemdBind, number: int) -> Bound:
        lent = self._lent.get(bind.name, ())
        if number >= len(lent):
            names = ", ".join(sorted(self._lent)) or "none"
            raise OSError(f"systemd handed over no such socket at the start; the names of those that it did: {names}")
        return borrow(lent[number])


def place_to_bind(bind: config.InetBind | config.UnixBind) -> str:
    """Return the key that a socket has at this address (`place_of`)."""
    if isinstance(bind, config.UnixBind):
        return bind.path
    return f"{_family_of(bind).name} {bind}"


def _family_of(bind: config.InetBind) -> socket.AddressFamily:
    return socket.AF_INET if bind.host.version == 4 else socket.AF_INET6


def _listen(bind: config.InetBind | config.UnixBind, mode: int | None) -> Bound:
    if isinstance(bind, config.UnixBind):
        return bind_unix(bind.path, mode)
    return bind_inet(_family_of(bind), str(bind.host), bind.port)
