"""A service in memory, which a test administers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Make, Running, making

__all__ = ["Make", "make"]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with making(tmp_path) as make:

        def started(**settings: Any) -> Running:
            made = make(**settings)
            made.start()
            return made

        yield started
