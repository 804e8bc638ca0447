"""What is wrong, in one place at the top of the page: the first thing that an administrator on call looks for."""

from __future__ import annotations

from mailproxy.control.attention import Fields, Finding
from mailproxy.control.attention import attention as findings
from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.snapshot import Snapshot

MAX_LINES = 12
"""The most lines; more are counted."""


def attention(snapshot: Snapshot) -> Markup:
    """Write the section."""
    found = _found(snapshot)
    if not found:
        body: Child = tag("p", "Nothing is wrong: every server is up, and the service is ready.", class_="all-good")
    else:
        lines = [tag("li", _sentence(one), class_=one.severity) for one in found[:MAX_LINES]]
        if len(found) > MAX_LINES:
            lines.append(tag("li", f"and {len(found) - MAX_LINES} more, below", class_="caution"))
        body = tag("ul", lines)
    worst = found[0].severity if found else "good"
    return tag(
        "section",
        tag("h2", "What needs attention", id="attention-title", class_="unseen"),
        body,
        id="attention",
        class_=worst,
        aria_labelledby="attention-title",
    )


def _found(snapshot: Snapshot) -> list[Finding]:
    found = findings(
        Fields(snapshot.info),
        frontends=map(Fields, snapshot.frontends),
        backends=map(Fields, snapshot.backends),
        servers=[Fields(one.status) for one in snapshot.servers],
        certificates=map(Fields, snapshot.certificates),
        refusals=snapshot.refusals,
        busiest=Fields(snapshot.sources[0]) if snapshot.sources else None,
    )
    # A service that stops is not ready for that reason alone, and a finding says so.
    unready = () if snapshot.info.state == "stopping" else snapshot.unready
    return [*(Finding("bad", "not ready", f": {reason}") for reason in unready), *found]


def _sentence(one: Finding) -> Child:
    return [tag("strong", one.subject[:1].upper() + one.subject[1:]), one.words]
