"""The metrics of frontends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mailproxy.control import observe
from mailproxy.control.running import Running
from mailproxy.counting.layout import Totals
from mailproxy.metrics import names
from mailproxy.metrics.definition import Definition, Family
from mailproxy.metrics.histogram import add_durations
from mailproxy.metrics.labels import LabelSets
from mailproxy.metrics.part import Part
from mailproxy.session.counters import UNSERVED

NUMBERS: Mapping[str, Definition] = {
    "connections": names.CONNECTIONS,
    "sessions": names.SESSIONS,
    "bytes_in": names.RECEIVED,
    "bytes_out": names.SENT,
    "retries": names.RETRIES,
    "refused_logins": names.REFUSED_LOGINS,
    "handshakes": names.HANDSHAKES,
    "resumed": names.RESUMED,
    "headers": names.HEADERS,
}
"""The metric of each number of a frontend; those of `UNSERVED` have one together."""

TABLES: Mapping[str, Definition] = {
    "gates": names.REJECTIONS,
    "handshake_failures": names.HANDSHAKE_FAILURES,
    "versions": names.VERSIONS,
    "ciphers": names.CIPHERS,
    "groups": names.GROUPS,
    "dialogues": names.DIALOGUES,
    "header_failures": names.HEADER_FAILURES,
    "tlvs_without_room": names.TLVS_LEFT_OUT,
}
"""The metric of each table of a frontend but ``endings``."""

ENDINGS = "endings"

HISTOGRAMS: Mapping[str, Definition] = {
    "duration": names.DURATION,
    "handshake_time": names.HANDSHAKE_TIME,
    "queue_time": names.QUEUE_TIME,
    "connect_time": names.CONNECT_TIME,
    "first_byte_time": names.FIRST_BYTE_TIME,
}

_SPARSE = frozenset({"ciphers", "groups", "tlvs_without_room"})
"""Tables with many keys, most of which never occur: those with 0 are left out."""

_STATES = ("open", "drain", "closing")

_AT_ONCE = 10
"""The frontends whose numbers are read at once, which takes a millisecond."""


_Found = tuple[observe.Seen, Totals, tuple[str, str]]


def collect(running: Running, label_sets: LabelSets) -> Iterator[Part]:
    """Yield each metric with the samples of all frontends."""
    found: list[_Found] = []
    for seen in observe.seen_frontends(running):
        settings = seen.newest.settings
        found.append((seen, seen.newest.totals, (settings.name, settings.protocol)))
        if not len(found) % _AT_ONCE:
            yield None
    yield from _now(found, label_sets)
    yield from _counted(found, label_sets)
    yield _errors(found, label_sets)
    yield _endings(found, label_sets)
    yield from _tables(found, label_sets)
    yield _rule_hits(found, label_sets)
    for name, definition in HISTOGRAMS.items():
        histogram = Family(definition, label_sets)
        for _, totals, labels in found:
            add_durations(histogram, totals.histograms[name], *labels)
        yield histogram.metric


def _now(found: list[_Found], label_sets: LabelSets) -> Iterator[Part]:
    """Yield how frontends are now."""
    info, states, current, most = (
        Family(one, label_sets)
        for one in (names.FRONTEND, names.FRONTEND_STATE, names.FRONTEND_CURRENT, names.FRONTEND_MAX)
    )
    for seen, _, labels in found:
        settings = seen.newest.settings
        info.add(1, *labels, settings.tls, settings.backend)
        states.add_each([(state, int(state == seen.state)) for state in _STATES], *labels)
        current.add(seen.sessions, *labels)
        most.add(settings.maxconn, *labels)
    yield from (one.metric for one in (info, states, current, most))


def _counted(found: list[_Found], label_sets: LabelSets) -> Iterator[Part]:
    for name, definition in NUMBERS.items():
        numbers = Family(definition, label_sets)
        for _, totals, labels in found:
            numbers.add(totals.numbers[name], *labels)
        yield numbers.metric


def _errors(found: list[_Found], label_sets: LabelSets) -> Part:
    errors = Family(names.ERRORS, label_sets)
    kinds = [(name, name.replace("_", "-")) for name in UNSERVED]
    for _, totals, labels in found:
        errors.add_each([(kind, totals.numbers[name]) for name, kind in kinds], *labels)
    return errors.metric


def _endings(found: list[_Found], label_sets: LabelSets) -> Part:
    endings = Family(names.TERMINATIONS, label_sets)
    for _, totals, labels in found:
        for key, count in totals.tables[ENDINGS].items():
            if count:
                letters, _, ending = key.partition(" ")
                endings.add(count, *labels, letters, ending)
    return endings.metric


def _rule_hits(found: list[_Found], label_sets: LabelSets) -> Part:
    hits = Family(names.RULE_HITS, label_sets)
    for seen, _, labels in found:
        hits.add_each(seen.newest.rule_hits.items(), *labels)
    return hits.metric


def _tables(found: list[_Found], label_sets: LabelSets) -> Iterator[Part]:
    for name, definition in TABLES.items():
        table = Family(definition, label_sets)
        for seen, totals, labels in found:
            values = [item for item in totals.tables[name].items() if item[1] or name not in _SPARSE]
            if name != "dialogues" or seen.newest.settings.has_starttls:
                table.add_each(values, *labels)
        yield table.metric
