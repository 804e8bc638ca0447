"""One attack, and its meaning if it works."""

from collections.abc import Callable

from attrs import frozen

from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding
from mailproxy.audit.server import Server

Check = Callable[[Server, Honest], Finding]


@frozen
class Case:
    """A case: its name, the meaning of VULNERABLE, and the function that tries it."""

    name: str
    meaning: str
    check: Check
    needs_tls: bool = True
    """Whether it needs a server with which an honest client gets TLS."""
