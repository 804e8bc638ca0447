"""A service in memory, whose metrics are collected."""

from tests.control.conftest import Make, make

__all__ = ["Make", "make"]
