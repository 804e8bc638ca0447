"""What is wrong with the service, or held by hand: the first thing that an administrator on call looks for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

from attrs import frozen

from mailproxy.config.duration import shown_seconds
from mailproxy.control.format import duration
from mailproxy.control.sentence import read_broad, read_refused_list, read_worker_end, write_replaced

EXPIRY_DAYS = 14
"""From here on, a certificate's renewal is late."""

SURGE = 10.0
"""A frontend that refuses more clients a second than this is flooded."""

LONG_RELOAD_SECONDS = 60.0
"""A reload that has been running for longer waits for something."""

Severity = Literal["good", "caution", "bad"]
"""``caution``: by hand, for a time, or not yet bad."""

_SEVERITIES: dict[str, Severity] = {
    "up": "good",
    "open": "good",
    "running": "good",
    "ready": "good",
    "down": "bad",
    "no-address": "bad",
    "stopping": "bad",
}


class Row(Protocol):
    """One status: a row from the admin socket, or `Fields`."""

    def get(self, key: str, /) -> Any:
        """Return a field; None if there is none."""


@frozen
class Fields:
    """A status of `mailproxy.control.status` as a row, without a copy: there may be thousands."""

    _status: object

    def get(self, key: str, /) -> Any:
        """Return a field; None if there is none."""
        return getattr(self._status, key, None)


@frozen
class Finding:
    """One thing that is wrong or held."""

    severity: Severity
    subject: str
    """What it is about."""
    words: str
    """What is wrong with it; the subject and the words are a sentence."""

    def __str__(self) -> str:
        """Write the sentence."""
        return self.subject + self.words


def severity_of(state: object) -> Severity:
    """Return how bad a state is; ``drain``, ``maint`` and ``closing`` are what somebody wanted."""
    return _SEVERITIES.get(str(state), "caution")


def expiry_of(certificate: Row) -> Severity:
    """Return how bad the time is for which a certificate is valid."""
    days = certificate.get("days_left")
    return "good" if days is None or days >= EXPIRY_DAYS else "caution" if days >= 0 else "bad"


def urgency(certificate: Row) -> tuple[bool, float]:
    """Return a key that sorts refused certificates, and then those that expire first, to the top."""
    days = certificate.get("days_left")
    return not certificate.get("refused"), -1 if days is None else days


def attention(
    info: Row,
    *,
    frontends: Iterable[Row],
    backends: Iterable[Row],
    servers: Iterable[Row],
    certificates: Iterable[Row],
    refusals: Mapping[str, float] | None = None,
    busiest: Row | None = None,
) -> list[Finding]:
    """
    Return the findings, the worst ones first.

    `refusals` has how many clients each frontend refuses by the second, `busiest` is the source with the highest rate.
    """
    found = [
        *_service(info),
        *_backends(backends),
        *_servers(servers),
        *_certificates(certificates),
        *_frontends(frontends),
        *_surges(refusals or {}, busiest),
    ]
    return sorted(found, key=lambda one: one.severity != "bad")


def _is_full(row: Row, now: str) -> bool:
    return 0 < (row.get("maxconn") or 0) <= (row.get(now) or 0)


def _service(info: Row) -> Iterator[Finding]:
    if info.get("state") == "stopping":
        yield Finding("bad", "the service", " is stopping")
    if info.get("reload") == "running" and (info.get("reload_s") or 0.0) > LONG_RELOAD_SECONDS:
        yield Finding("bad", "a reload", f" has been running for {duration(info.get('reload_s'))}")
    if info.get("reload") == "failure":
        since = duration(info.get("reload_s"))
        yield Finding("bad", "the last reload", f" failed {since} ago: {info.get('reload_problem')}")
    for problem in info.get("lists_refused") or ():
        refused = read_refused_list(problem)
        yield Finding("bad", refused.subject, f" is refused: {refused.words}; {_LIST_STAYS}")
    for broad in map(read_broad, info.get("bans_broad") or ()):
        yield Finding("caution", broad.subject, f" {broad.words}")
    for end in map(read_worker_end, info.get("worker_ends") or ()):
        yield Finding("bad", end.subject, f" {end.words}")
    if (process := info.get("replaced_pid")) is not None:
        replaced = write_replaced(process, info.get("replaced_left_s"))
        yield Finding("caution", replaced.subject, replaced.words)
    if _is_full(info, "sessions"):
        yield Finding("bad", "maxconn", f" is reached: {info.get('sessions')} clients, {_WAIT}")


_LIST_STAYS = "the previous one is in use, and a start would fail"
_WAIT = "others wait in the kernel's queue"


def _frontends(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        name, state = f"frontend {row.get('frontend')}", row.get("state")
        if state != "open":
            words = "drained: it accepts no clients" if state == "drain" else str(state)
            yield Finding(severity_of(state), name, f" is {words}")
        elif _is_full(row, "current"):
            yield Finding("caution", name, f" is full: {row.get('current')} clients, {_WAIT}")


def _backends(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        name = f"backend {row.get('backend')}"
        if row.get("state") != "up":
            yield Finding("bad", name, f" has no server for {row.get('protocol')}")
        if row.get("queued"):
            words = f": {row.get('queued')} clients wait for a server for {row.get('protocol')}"
            yield Finding("caution", name, words)


def _surges(refusals: Mapping[str, float], busiest: Row | None) -> Iterator[Finding]:
    source = ""
    if busiest is not None:
        span = shown_seconds(busiest.get("rate_s"))
        source = f"; the busiest source is {busiest.get('source')}, {busiest.get('rate'):g} connections in {span}"
    for name, rate in refusals.items():
        if rate > SURGE:
            yield Finding("caution", f"frontend {name}", f" refuses {rate:.0f} clients a second{source}")


_WORDS = {"no-address": "has no address", "maint": "is in maintenance", "drain": "is drained", "down": "is down"}


def _servers(rows: Iterable[Row]) -> Iterator[Finding]:
    alike: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        state = str(row.get("state"))
        if state != "up":
            name = f"server {row.get('backend')}/{row.get('server')}"
            alike.setdefault((name, state, str(row.get("why") or "")), []).append(row)
    for (name, state, why), those in alike.items():
        protocols = ", ".join(str(row.get("protocol")) for row in those)
        since = those[0].get("since_s")
        lasts = "" if since is None else f", for {duration(since)}"
        words = f" {_WORDS.get(state, 'is ' + state)} for {protocols}{lasts}{why and f': {why}'}"
        yield Finding(severity_of(state), name, words)


def _certificates(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        expiry = expiry_of(row)
        if not row.get("refused") and expiry == "good":
            continue
        names, days = row.get("names"), row.get("days_left")
        name = f"certificate {names[0] if names else row.get('path')}"
        if row.get("refused"):
            yield Finding("bad", name, f" is refused: {row.get('refused')}{_still_served(row)}")
        elif expiry == "bad":
            yield Finding("bad", name, " has expired")
        else:
            yield Finding("caution", name, f" expires in {days} days")


def _still_served(row: Row) -> str:
    """Return what is served in place of a file that is refused; empty if nothing is, or only an OCSP response is."""
    days = row.get("days_left")
    if days is None or not (row.get("is_previous") or expiry_of(row) != "good"):
        return ""
    ends = f"expires in {days} days" if days >= 0 else "has expired"
    return f"; the previous one is served, which {ends}" if row.get("is_previous") else f"; it {ends}"
