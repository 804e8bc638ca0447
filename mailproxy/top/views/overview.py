"""What is wrong, the frontends and backends in short, who is banned or guesses passwords, and the newest events."""

from __future__ import annotations

from collections.abc import Iterator

from mailproxy.control.attention import attention, severity_of
from mailproxy.control.format import shown
from mailproxy.session.counters import REFUSALS
from mailproxy.top.grid import Column, Grid, grid, has_text
from mailproxy.top.letters import wrapped
from mailproxy.top.sample import BACKENDS, CERTIFICATES, FRONTENDS, SERVERS, number
from mailproxy.top.styled import Line, Part, line
from mailproxy.top.views import frontends
from mailproxy.top.views.clients import badness
from mailproxy.top.views.events import lines_of
from mailproxy.top.views.view import Facts, Page, View

MAX_FINDINGS = 20
MAX_ROWS = 50
"""The most frontends, and backends; their own views have all."""
MAX_EVENTS = 20

GUESSERS = "show sources by logins limit 5"
"""Where no source is counted, the service refuses the question."""


def overview(facts: Facts) -> Page:
    """Write the page."""
    sections = (_attention, _frontends, _backends, _guessers, _bans, _events)
    return Page([one for section in sections for one in section(facts)])


def _attention(facts: Facts) -> Iterator[Line]:
    sample = facts.model.sample
    if not sample.rows:
        return
    names = [str(row.get("frontend")) for row in sample.of(FRONTENDS)]
    of_all = attention(
        sample.info,
        frontends=sample.of(FRONTENDS),
        backends=sample.of(BACKENDS),
        servers=sample.of(SERVERS),
        certificates=sample.of(CERTIFICATES),
        refusals={name: facts.model.rates.of(name, *REFUSALS) or 0.0 for name in names},
    )
    found = [(one.severity, facts.charset.clean(str(one))) for one in of_all]
    found = [(style, words) for style, words in found if has_text(facts.wanted, [words])]
    if not found and not facts.wanted:
        yield line("Nothing is wrong: all servers are up, and all frontends are open.", "good")
    for style, words in found[:MAX_FINDINGS]:
        mark = "!! " if style == "bad" else "!  "
        for number_, one in enumerate(wrapped(words, max(facts.width - len(mark), 20))):
            yield (Part(" " * len(mark) if number_ else mark, style), Part(one, style))
    if len(found) > MAX_FINDINGS:
        yield line(f"   and {len(found) - MAX_FINDINGS} more", "caution")


def _frontends(facts: Facts) -> Iterator[Line]:
    yield from _section(frontends.arrange(facts, with_sums=False))


def _backends(facts: Facts) -> Iterator[Line]:
    yield from _section(grid(_BACKENDS, facts.model.sample.of(BACKENDS), facts.width, facts.charset, facts.wanted))


def _guessers(facts: Facts) -> Iterator[Line]:
    yield from _section(grid(_GUESSERS, facts.model.sample.of(GUESSERS), facts.width, facts.charset, facts.wanted))


def _bans(facts: Facts) -> Iterator[Line]:
    info = facts.model.sample.info
    counts = dict(info.get("bans_by") or {})
    if listed := number(info, "bans_listed"):
        counts["lists"] = listed
    refused = number(info, "bans_refused")
    if counts or refused:
        words = ", ".join(f"{facts.charset.clean(origin)} {count:g}" for origin, count in counts.items()) or "none"
        yield ()
        yield (Part("BANS ", "heading"), Part(f"by {words}; {refused:g} clients refused since the start"))


def _section(arranged: Grid) -> Iterator[Line]:
    if arranged.rows:
        yield ()
        yield arranged.heading
        yield from (one for _, one in arranged.rows[:MAX_ROWS])
        if len(arranged.rows) > MAX_ROWS:
            yield line(f"and {len(arranged.rows) - MAX_ROWS} more", "faint")


def _events(facts: Facts) -> Iterator[Line]:
    found = lines_of(facts, facts.model.events[:MAX_EVENTS])
    if found:
        yield ()
        yield line("NEWEST EVENTS", "heading")
        yield from found


_BACKENDS = (
    Column("BACKEND", lambda row: shown(row.get("backend")), least=8),
    Column("STATE", lambda row: shown(row.get("state")), lambda row: severity_of(row.get("state"))),
    Column("PROTOCOL", lambda row: shown(row.get("protocol"))),
    Column("SERVERS", lambda row: f"{number(row, 'active'):g}/{number(row, 'servers'):g}", is_right=True),
    Column("SESSIONS", lambda row: shown(row.get("sessions")), is_right=True),
    Column("QUEUED", lambda row: shown(row.get("queued")), lambda row: "bad" if row.get("queued") else "plain", True),
    Column("BALANCE", lambda row: shown(row.get("balance")), rank=1),
)

_GUESSERS = (
    Column("SOURCE", lambda row: shown(row.get("source")), least=18),
    badness("auth_failures"),
)

VIEW = View("Overview", overview, questions=(BACKENDS, SERVERS, CERTIFICATES, GUESSERS))
