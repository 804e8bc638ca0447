"""A service with workers under load, to which everything happens at once; `upheaval` says what."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.certificates import Certificates
from tests.interop.upheaval import WORKERS, upheave

SECONDS = 20.0


def test_clients_suffer_from_killed_workers_and_drains_alone(pki: Certificates, folder: Path) -> None:
    made = asyncio.run(upheave(folder, pki, SECONDS, idle=60, pause=0.5))
    assert made.unexplained == []
    assert made.happened.keys() == {"reload", "renew", "kill", "drain", "set_state", "reopen"}
    for name in ("front", "drained"):
        assert made.seen[f"{name}: served"] > 100
    before, after = made.before, made.after
    assert before is not None
    assert after is not None
    assert before.files.keys() == after.files.keys()
    workers = [f"mailproxy-w{number}" for number in range(WORKERS)]
    for process in before.files.keys() - set(workers):
        assert after.files[process] == before.files[process]
        assert after.memory[process] < before.memory[process] + 8 * 1024
    # The same sessions, and the listening sockets that each has.
    assert sum(map(after.files.__getitem__, workers)) == pytest.approx(
        sum(map(before.files.__getitem__, workers)), abs=4
    )
