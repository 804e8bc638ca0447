"""One thing to try, and what it means if it works."""

from collections.abc import Callable

from attrs import frozen

from mailproxy.audit.honest import Honest
from mailproxy.audit.result import Finding
from mailproxy.audit.server import Server

Check = Callable[[Server, Honest], Finding]


@frozen
class Case:
    """A case: its name, what a VULNERABLE server lets happen, and how it is tried."""

    name: str
    meaning: str
    check: Check
    needs_tls: bool = True
    """Whether it makes sense only for a server with which an honest client gets TLS."""
