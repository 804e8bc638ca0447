"""The steps of a start in the foreground; `mailproxy run` takes them all."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mailproxy.foreground import print_if_slow

SCRIPT = """
import sys
from mailproxy.config import Config
from mailproxy.foreground import make_processes
make_processes(Config(frontends=(), backends={}, workers=%d))
print("mailproxy.process.channel" in sys.modules)
"""


def test_short_wait_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with print_if_slow("waiting", after=60.0):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("workers", [0, 1])
def test_messages_between_processes_are_imported_for_workers_alone(workers: int) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT % workers], capture_output=True, text=True, check=True)
    assert done.stdout == f"{workers > 0}\n"
