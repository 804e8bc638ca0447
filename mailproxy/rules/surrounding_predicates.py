"""The predicates about what surrounds a client: the time, servers, sessions, and what is known of its address."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mailproxy.config.condition import Condition
from mailproxy.config.condition_numbers import ServersUp, SessionsNow, measure_of
from mailproxy.config.measure import Measure
from mailproxy.config.moment import DAYS
from mailproxy.rules.predicate import Predicate, listed, worded
from mailproxy.rules.subject import Subject
from mailproxy.rules.surroundings import Count, Number, Surroundings
from mailproxy.rules.unknown import UNKNOWN, Test, Truth, Unknown


def surrounding_predicates(condition: Condition, surroundings: Surroundings) -> Iterator[Predicate]:
    """Yield the predicates of a condition that are not about the client itself, cheap ones first."""
    if condition.time:
        spans = tuple(span for moments in condition.time for span in moments.spans)
        shown = _moment(surroundings)
        yield Predicate("time", listed(condition.time), _at(spans, surroundings), shown, asks_client=False)
    if condition.banned is not None:
        yield _banned(surroundings, wanted=condition.banned)
    if (up := condition.servers_up) is not None:
        yield _bounded("servers-up", up.backend, surroundings.servers_up(up.backend), up)
    if (now := condition.sessions) is not None:
        yield _sessions(now, surroundings)
    if (connections := condition.source_connections) is not None:
        measure = measure_of("source-connections", connections)
        yield _counted(measure, connections.over, f"over {connections.over}", surroundings.count(measure))
    for counted, rate in condition.rates.items():
        measure = measure_of(counted, rate)
        yield _counted(measure, rate.over.count, f"over {rate.over}", surroundings.count(measure))


def _at(spans: Sequence[tuple[int, int]], surroundings: Surroundings) -> Test[Subject]:
    def test(subject: Subject) -> Truth:
        minute = surroundings.minute()
        return None if minute is UNKNOWN else any(first <= minute < end for first, end in spans)

    return test


def _moment(surroundings: Surroundings) -> Callable[[Subject], str]:
    def shown(subject: Subject) -> str:
        minute = surroundings.minute()
        if minute is UNKNOWN:
            return worded(minute)
        return f"{DAYS[minute // 1440]} {minute % 1440 // 60:02}:{minute % 60:02}"

    return shown


def _banned(surroundings: Surroundings, *, wanted: bool) -> Predicate:
    def value(subject: Subject) -> bool | Unknown:
        address = subject.source
        if address is UNKNOWN:
            return UNKNOWN
        return False if address is None else surroundings.banned(address)

    def test(subject: Subject) -> Truth:
        banned = value(subject)
        return None if banned is UNKNOWN else banned == wanted

    return Predicate("banned", str(wanted).lower(), test, lambda subject: worded(value(subject)))


def _sessions(now: SessionsNow, surroundings: Surroundings) -> Predicate:
    if now.frontend is not None:
        return _bounded("sessions", now.frontend, surroundings.frontend_sessions(now.frontend), now)
    assert now.backend is not None, "one of the two is there"
    return _bounded("sessions", now.backend, surroundings.backend_sessions(now.backend), now)


def _bounded(key: str, name: str, number: Number, bounds: ServersUp | SessionsNow) -> Predicate:
    under, over = bounds.under, bounds.over
    words = [f"{word} {value}" for word, value in (("under", under), ("over", over)) if value is not None]
    return Predicate(
        f"{key} of {name}",
        " and ".join(words),
        _between(number, under, over),
        lambda subject: worded(number()),
        fact=f"{key}.{name}",
        asks_client=False,
    )


def _between(number: Number, under: int | None, over: int | None) -> Test[Subject]:
    # Most rules have one bound, and each client pays for the test; so it does not ask again which bounds there are.
    if over is None and under is not None:

        def test(subject: Subject) -> Truth:
            value = number()
            return None if value is UNKNOWN else value < under

    elif under is None and over is not None:

        def test(subject: Subject) -> Truth:
            value = number()
            return None if value is UNKNOWN else value > over

    else:

        def test(subject: Subject) -> Truth:
            value = number()
            return None if value is UNKNOWN else (under is None or value < under) and (over is None or value > over)

    return test


def _counted(measure: Measure, over: int, wanted: str, count: Count) -> Predicate:
    def value(subject: Subject) -> float | Unknown:
        address = subject.source
        if address is UNKNOWN:
            return UNKNOWN
        return 0.0 if address is None else count(address)

    def test(subject: Subject) -> Truth:
        number = value(subject)
        return None if number is UNKNOWN else number > over

    return Predicate(measure.counted, wanted, test, lambda subject: worded(value(subject)), measure)
