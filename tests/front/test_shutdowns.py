"""Which sessions end because of what happens to servers."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

import pytest

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.server import BackendServer
from mailproxy.front.shutdowns import Shutdowns
from mailproxy.session.termination import BACKUP_LEFT, SERVER_DOWN, Ending


class Bench:
    """One backend, whose servers a test marks down and up."""

    def __init__(self, *servers: config.Server) -> None:
        self.backend = Backend(config.Backend(name="pool", servers=servers), "imap")
        self.ended: list[tuple[set[str], Ending]] = []
        self.shutdowns = Shutdowns(self.backend, self._end)
        self.shutdowns.start()

    def _end(self, servers: Collection[BackendServer], ending: Ending, reason: str) -> None:
        self.ended.append(({server.name for server in servers}, ending))

    def server(self, name: str) -> BackendServer:
        return next(server for server in self.backend.pool.servers if server.name == name)

    def down(self, name: str) -> None:
        self.backend.pool.failed(self.server(name), 1.0, "gone")

    def up(self, name: str) -> None:
        self.backend.pool.passed(self.server(name), 2.0)


def server(name: str, **keys: Any) -> config.Server:
    check = config.Check(type="tcp", rise=1, fall=1)
    return config.Server(name=name, address=config.InetServer(ip_address("127.0.0.1"), 1), check=check, **keys)


def test_sessions_of_a_server_that_went_down_are_ended_if_so_configured() -> None:
    bench = Bench(server("d1", on_marked_down="shutdown-sessions"), server("d2"))
    bench.down("d1")
    bench.down("d2")
    assert bench.ended == [({"d1"}, SERVER_DOWN)]


def test_sessions_of_backups_are_ended_when_a_server_is_back_if_so_configured() -> None:
    bench = Bench(server("d1", on_marked_up="shutdown-backup-sessions"), server("d2", backup=True), server("d3"))
    bench.down("d1")
    bench.up("d1")
    assert bench.ended == [({"d2"}, BACKUP_LEFT)]


def test_backup_that_is_back_ends_nothing() -> None:
    bench = Bench(server("d1"), server("d2", backup=True, on_marked_up="shutdown-backup-sessions"))
    bench.down("d2")
    bench.up("d2")
    assert bench.ended == []


@pytest.mark.parametrize("times", [1, 2])
def test_nothing_ends_after_the_stop(times: int) -> None:
    bench = Bench(server("d1", on_marked_down="shutdown-sessions"))
    for _ in range(times):
        bench.shutdowns.stop()
    bench.down("d1")
    assert bench.ended == []
