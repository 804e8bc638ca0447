"""A service in memory, which a test administers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs

from tests.test_service import Running

Make = Callable[..., Running]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def running(**settings: Any) -> Running:
            events: Any = stack.enter_context(capturedLogs())
            made = Running(tmp_path, events, **settings)
            stack.callback(made.close)
            stack.callback(made.service.generation.retire)
            made.start()
            return made

        yield running
