"""What is wrong, in one place at the top of the page: the first thing that an administrator on call looks for."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.table import duration
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import text

EXPIRY_DAYS = 14
"""From here on, a certificate's renewal is late."""

MOST = 12
"""The most lines; more are counted."""


def attention(snapshot: Snapshot) -> Markup:
    """Write the section."""
    found = [*_bad(snapshot), *_held(snapshot)]
    if not found:
        body: Child = tag("p", "Nothing is wrong: every server is up, and the service is ready.", class_="all-good")
    else:
        lines = [tag("li", words, class_=kind) for kind, words in found[:MOST]]
        if len(found) > MOST:
            lines.append(tag("li", f"and {len(found) - MOST} more, below", class_="held"))
        body = tag("ul", lines)
    worst = found[0][0] if found else "good"
    return tag(
        "section",
        tag("h2", "What needs attention", id="attention-title", class_="unseen"),
        body,
        id="attention",
        class_=worst,
        aria_labelledby="attention-title",
    )


def _bad(snapshot: Snapshot) -> Iterator[tuple[str, Child]]:
    for reason in snapshot.unready:
        yield "bad", f"Not ready: {reason}"
    for backend in snapshot.backends:
        if backend.state != "up":
            yield "bad", [tag("strong", f"Backend {backend.backend}"), f" has no server for {backend.protocol}"]
    for one in snapshot.servers:
        status = one.status
        if status.state in ("down", "no-address"):
            since = "" if status.since_s is None else f", for {duration(status.since_s)}"
            state = "down" if status.state == "down" else "without an address"
            name = f"Server {status.backend}/{status.server}"
            yield "bad", [tag("strong", name), f" is {state} for {status.protocol}{since}: ", text(status.why)]
    for certificate in snapshot.certificates:
        name = certificate.names[0] if certificate.names else certificate.path
        if certificate.refused:
            yield "bad", [tag("strong", f"Certificate {name}"), f" is refused: {certificate.refused}"]
        elif certificate.days_left is not None and certificate.days_left < 0:
            yield "bad", [tag("strong", f"Certificate {name}"), " has expired"]


def _held(snapshot: Snapshot) -> Iterator[tuple[str, Child]]:
    for certificate in snapshot.certificates:
        if not certificate.refused and certificate.days_left is not None and 0 <= certificate.days_left < EXPIRY_DAYS:
            name = certificate.names[0] if certificate.names else certificate.path
            yield "held", [tag("strong", f"Certificate {name}"), f" expires in {certificate.days_left} days"]
    for frontend in snapshot.frontends:
        if frontend.state == "drain":
            yield "held", [tag("strong", f"Frontend {frontend.frontend}"), " is drained: it accepts no clients"]
        elif frontend.current >= frontend.maxconn:
            words = f" is full: {frontend.current} clients, others wait in the kernel's queue"
            yield "held", [tag("strong", f"Frontend {frontend.frontend}"), words]
    for backend in snapshot.backends:
        if backend.queued:
            words = f": {backend.queued} clients wait for a server for {backend.protocol}"
            yield "held", [tag("strong", f"Backend {backend.backend}"), words]
    seen = set()
    for one in snapshot.servers:
        status = one.status
        if status.state in ("drain", "maint") and (status.backend, status.server) not in seen:
            seen.add((status.backend, status.server))
            words = "in maintenance" if status.state == "maint" else "drained"
            name = f"Server {status.backend}/{status.server}"
            yield "held", [tag("strong", name), f" is {words}: ", text(status.why)]
