"""The listening sockets of the process, by the address that they are bound to."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator

from mailproxy import config
from mailproxy.transport.bound import Bound, bind_inet, bind_unix

Key = tuple[config.Bind, int]
"""An address, and a number that tells several sockets with port 0 apart."""


class StartError(Exception):
    """Why the service cannot listen: a sentence for each socket, one a line."""


class Sockets:
    """
    What the process listens on. Opening a socket may need privileges; it needs no reactor, and survives a fork.

    A socket stays open from one reading of the configuration to the next where both have its address.
    """

    def __init__(self) -> None:
        self._open: dict[Key, Bound] = {}

    def bind(self, frontends: Iterable[config.Frontend]) -> None:
        """Open what is not open yet; `StartError` with each socket that cannot be, and then none of the new stays."""
        opened: dict[Key, Bound] = {}
        problems = []
        for frontend, key in _keys(frontends):
            if key in self._open:
                continue
            try:
                opened[key] = _listen(key[0])
            except OSError as error:
                reason = error.strerror or str(error)
                problems.append(f"frontend.{frontend.name}.bind: cannot listen on {key[0]}: {reason}")
        if problems:
            for bound in opened.values():
                bound.close()
            raise StartError("\n".join(problems))
        self._open |= opened

    def by_frontend(self, frontends: Iterable[config.Frontend]) -> dict[str, list[Bound]]:
        """Return the sockets of each frontend, by its name, in the order of its addresses."""
        found: dict[str, list[Bound]] = {}
        for frontend, key in _keys(frontends):
            found.setdefault(frontend.name, []).append(self._open[key])
        return found

    def close_others(self, frontends: Iterable[config.Frontend]) -> None:
        """Close what these frontends do not listen on."""
        wanted = {key for _, key in _keys(frontends)}
        for key in self._open.keys() - wanted:
            self._open.pop(key).close()

    def close(self) -> None:
        """Close them all."""
        while self._open:
            self._open.popitem()[1].close()


def _keys(frontends: Iterable[config.Frontend]) -> Iterator[tuple[config.Frontend, Key]]:
    seen: Counter[config.Bind] = Counter()
    for frontend in frontends:
        for bind in frontend.bind:
            yield frontend, (bind, seen[bind])
            seen[bind] += 1


def _listen(bind: config.Bind) -> Bound:
    if isinstance(bind, config.UnixBind):
        return bind_unix(bind.path)
    family = socket.AF_INET if bind.host.version == 4 else socket.AF_INET6
    return bind_inet(family, str(bind.host), bind.port)
