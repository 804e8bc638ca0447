"""The town of each test."""

from collections.abc import Iterator

import pytest

from tests.checks.town import Town


@pytest.fixture
def town() -> Iterator[Town]:
    """A server to visit."""
    with Town() as made:
        yield made
