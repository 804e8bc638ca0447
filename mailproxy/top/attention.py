"""What is wrong with the service, or held by hand: the first thing that an administrator on call looks for."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.table import duration
from mailproxy.top.sample import BACKENDS, CERTIFICATES, FRONTENDS, SERVERS, Row, Sample, number
from mailproxy.top.styled import Style

EXPIRY_DAYS = 14
"""From here on, a certificate's renewal is late."""

Finding = tuple[Style, str]
"""How bad it is, and a sentence."""


def attention(sample: Sample) -> list[Finding]:
    """Return the findings, the worst ones first."""
    found = [*_service(sample.info), *_frontends(sample), *_backends(sample), *_servers(sample), *_certificates(sample)]
    return sorted(found, key=lambda one: one[0] != "bad")


def _service(info: Row) -> Iterator[Finding]:
    if info.get("state") == "stopping":
        yield "bad", "the service is stopping"
    if 0 < number(info, "maxconn") <= number(info, "sessions"):
        yield "bad", f"maxconn is reached: {info.get('sessions')} clients, others wait in the kernel's queue"


def _frontends(sample: Sample) -> Iterator[Finding]:
    for row in sample.of(FRONTENDS):
        if row.get("state") != "open":
            state = "drained: it accepts no clients" if row.get("state") == "drain" else row.get("state")
            yield "held", f"frontend {row.get('frontend')} is {state}"
        elif 0 < number(row, "maxconn") <= number(row, "current"):
            yield (
                "held",
                f"frontend {row.get('frontend')} is full: {row.get('current')} clients, others wait in the kernel's "
                "queue",
            )


def _backends(sample: Sample) -> Iterator[Finding]:
    for row in sample.of(BACKENDS):
        name = f"backend {row.get('backend')}"
        if row.get("state") != "up":
            yield "bad", f"{name} has no server for {row.get('protocol')}"
        if row.get("queued"):
            yield "held", f"{name}: {row.get('queued')} clients wait for a server for {row.get('protocol')}"


_WORDS = {"no-address": "has no address", "maint": "is in maintenance", "drain": "is drained", "down": "is down"}


def _servers(sample: Sample) -> Iterator[Finding]:
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in sample.of(SERVERS):
        state = str(row.get("state"))
        if state != "up":
            alike.setdefault(
                (f"{row.get('backend')}/{row.get('server')}", state, str(row.get("why") or "")), []
            ).append(row)
    for (name, state, why), rows in alike.items():
        protocols = ", ".join(str(row.get("protocol")) for row in rows)
        since = "" if rows[0].get("since_s") is None else f", since {duration(rows[0].get('since_s'))}"
        style: Style = "held" if state in ("drain", "maint") else "bad"
        yield style, f"server {name} {_WORDS.get(state, 'is ' + state)} for {protocols}{since}{why and f': {why}'}"


def _certificates(sample: Sample) -> Iterator[Finding]:
    for row in sample.of(CERTIFICATES):
        names = row.get("names")
        name = f"certificate {names[0] if isinstance(names, list) and names else row.get('path')}"
        days = row.get("days_left")
        if row.get("refused"):
            yield "bad", f"{name} is refused: {row.get('refused')}"
        elif isinstance(days, int) and days < 0:
            yield "bad", f"{name} has expired"
        elif isinstance(days, int) and days < EXPIRY_DAYS:
            yield "held", f"{name} expires in {days} days"
