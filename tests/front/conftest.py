"""The bench of sessions, for what is about many of them, and connections for what is about TLS."""

from tests.session.conftest import make
from tests.tls.conftest import connect

__all__ = ["connect", "make"]
