"""A service in memory, which HTTP clients ask."""

from tests.control.conftest import Make, make

__all__ = ["Make", "make"]
