"""The bench of each test."""

from collections.abc import Iterator

import pytest

from tests.checks.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A server to check."""
    with Bench() as made:
        yield made
