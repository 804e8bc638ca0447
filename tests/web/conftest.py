"""A service in memory, which HTTP clients ask."""

from collections.abc import Iterator

import pytest

from tests.control.conftest import Make, make
from tests.web.bench import CLIENTS

__all__ = ["Make", "make"]


@pytest.fixture(autouse=True)
def clients_leave() -> Iterator[None]:
    yield
    for client in CLIENTS.copy():
        client.lose()
