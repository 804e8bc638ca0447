"""The bench of sessions, for what is about many of them."""

from tests.session.conftest import make

__all__ = ["make"]
