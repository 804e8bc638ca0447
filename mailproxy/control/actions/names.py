"""Finds the objects that a command names, or says which there are."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.control.grammar import BadCommand
from mailproxy.control.running import Running


def find_servers(running: Running, backend: str, server: str) -> list[tuple[Backend, BackendServer]]:
    """Return the servers with this name, one for each protocol; raise `BadCommand` if there is none."""
    of_name = [made for made in running.generation.backends.values() if made.name == backend]
    if not of_name:
        names = {made.name for made in running.generation.backends.values()}
        raise BadCommand(f"there is no backend {quoted(backend)} in use{_hint(backend, names)}")
    found = [(made, one) for made in of_name for one in made.pool.servers if one.name == server]
    if not found:
        names = {one.name for made in of_name for one in made.pool.servers}
        raise BadCommand(f"backend {quoted(backend)} has no server {quoted(server)}{_hint(server, names)}")
    return found


def servers_of_all_generations(running: Running, backend: str, server: str) -> Iterator[tuple[Backend, BackendServer]]:
    """Yield a server in each generation: sessions of an earlier generation may still connect to it."""
    for generation in running.generation.generations:
        for made in generation.backends.values():
            if made.name == backend:
                yield from ((made, one) for one in made.pool.servers if one.name == server)


def check_frontend(running: Running, name: str) -> None:
    """Raise `BadCommand` if there is no frontend with this name."""
    names = {frontend.name for frontend in running.generation.frontends}
    if name not in names:
        raise BadCommand(f"there is no frontend {quoted(name)}{_hint(name, names)}")


def _hint(name: str, names: set[str]) -> str:
    meant = nearest(name, names)
    return f"; did you mean {quoted(meant)}?" if meant else f"; there is {listed(sorted(names))}"
