"""The bench of each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A server to check."""
    with Bench() as made:
        yield made


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A file with a password."""
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    return str(file)
