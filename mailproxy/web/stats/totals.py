"""The totals, each with a line of the last minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailproxy.web.stats.markup import Child, Markup, tag
from mailproxy.web.stats.samples import Sample
from mailproxy.web.stats.snapshot import Snapshot
from mailproxy.web.stats.words import bar, rate, size, whole

WIDTH, HEIGHT = 300, 40

FEWEST = 60
"""The samples of a whole line, until there are more."""

_NONE = Sample()


def totals(snapshot: Snapshot) -> Markup:
    """Write the section."""
    samples = snapshot.samples
    now = samples[-1] if samples else _NONE
    up = {(one.status.backend, one.status.server) for one in snapshot.servers}
    up -= {(one.status.backend, one.status.server) for one in snapshot.servers if one.status.state != "up"}
    servers = {(one.status.backend, one.status.server) for one in snapshot.servers}
    queued = sum(backend.queued for backend in snapshot.backends)
    return tag(
        "section",
        tag("h2", "Totals", id="totals-title", class_="unseen"),
        tag(
            "div",
            _card("Sessions", whole(snapshot.info.sessions), f"of {whole(snapshot.info.maxconn)}", samples, _sessions),
            _card("New clients", rate(now.connections), "/s", samples, lambda one: one.connections),
            _card("Errors", rate(now.errors), "/s", samples, lambda one: one.errors, kind="bad"),
            _card("Refused", rate(now.refusals), "/s", samples, lambda one: one.refusals, kind="caution"),
            _card("From clients", size(now.bytes_in), "/s", samples, lambda one: one.bytes_in),
            _card("To clients", size(now.bytes_out), "/s", samples, lambda one: one.bytes_out),
            _card("In queues", whole(queued), "clients", samples, lambda one: one.queued, kind="caution"),
            tag(
                "div",
                tag("h3", "Servers up"),
                _value(str(len(up)), f"of {len(servers)}"),
                bar(len(up), len(servers), can_be_full=False),
                class_="card",
                data_key="Servers up",
            ),
            class_="cards",
        ),
        id="totals",
        aria_labelledby="totals-title",
    )


def _sessions(sample: Sample) -> float:
    return sample.sessions


def _card(
    name: str, value: str, unit: str, samples: Sequence[Sample], pick: Callable[[Sample], float], kind: str = "good"
) -> Markup:
    return tag(
        "div",
        tag("h3", name),
        _value(value, unit),
        _line([pick(sample) for sample in samples], kind) if samples else None,
        class_="card",
        data_key=name,
    )


def _value(value: str, unit: str) -> Markup:
    return tag("p", tag("strong", value, class_="num"), " ", tag("span", unit), class_="value")


def _line(values: Sequence[float], kind: str) -> Child:
    """Draw the values as a line, the newest one on the right; the highest is written below."""
    most = max(values)
    top = most or 1.0
    step = WIDTH / (max(len(values), FEWEST) - 1)
    left = WIDTH - step * (len(values) - 1)
    points = " ".join(
        f"{left + step * index:.1f},{HEIGHT - 2 - (HEIGHT - 4) * value / top:.1f}" for index, value in enumerate(values)
    )
    line = tag("polyline", points=points)
    area = tag("polygon", points=f"{left:.1f},{HEIGHT} {points} {WIDTH},{HEIGHT}")
    return tag(
        "svg",
        area,
        line,
        class_=f"spark {kind}",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"the last {len(values)} seconds, highest {most:.1f}",
    )
