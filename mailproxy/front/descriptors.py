"""The number of sessions that the limit on open files allows."""

from __future__ import annotations

import resource
from collections.abc import Iterator

from mailproxy import config
from mailproxy.config.frontend import DEFAULT_MAXCONN
from mailproxy.config.words import key_path

# The descriptors that a process needs beside its sessions: standard streams, epoll objects, the reactor's waker, log
# files.
SPARE_DESCRIPTORS = 24

# A session has one descriptor to its client and one to its server.
DESCRIPTORS_PER_SESSION = 2

# The admin socket, as many clients as `mailproxy.control.admin_socket` takes, and one that is refused.
ADMIN_DESCRIPTORS = 34

# The listening socket of HTTP, as many clients as `mailproxy.web.server` takes, and one that is refused.
HTTP_DESCRIPTORS = 66


def raise_limit() -> None:
    """Raise the limit on open files as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def affordable_sessions(settings: config.Config) -> int:
    """Return the number of sessions that the raised limit allows, in all processes that accept."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    listening = sum(len(frontend.bind) for frontend in settings.frontends)
    admin = settings.admin
    spare = SPARE_DESCRIPTORS
    spare += (0 if admin.socket is None else ADMIN_DESCRIPTORS) + (0 if admin.http is None else HTTP_DESCRIPTORS)
    each = max((hard - spare - listening) // DESCRIPTORS_PER_SESSION, 1)
    return each * max(settings.workers, 1)


def capacity_warnings(settings: config.Config) -> Iterator[str]:
    """
    Find a ``maxconn`` beyond the limit, and frontends that can take all places.

    Without any ``maxconn`` in the file, the configuration does not divide the places, which is no risk.
    """
    room = affordable_sessions(settings)
    if settings.maxconn > room:
        yield (
            f"maxconn: is {settings.maxconn}, and the limit on open files has room for {room} clients; raise the "
            "limit, or write maxconn = 0"
        )
    most = min(settings.maxconn or room, room)
    greedy = [
        key_path("frontend", frontend.name)
        for frontend in settings.frontends
        if frontend.maxconn >= most and (settings.maxconn or frontend.maxconn != DEFAULT_MAXCONN)
    ]
    if greedy and len(settings.frontends) > 1:
        remedy = ", or raise the limit on open files" if most == room else ""
        yield (
            f"maxconn of {', '.join(greedy)}: lets the clients of one frontend take all {most} places, and "
            f"the other frontends get none; set it lower{remedy}"
        )
