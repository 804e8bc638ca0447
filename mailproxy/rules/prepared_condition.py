"""Conditions, prepared once for each reading of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from attrs import frozen

from mailproxy.config.condition import Condition
from mailproxy.config.measure import Measure
from mailproxy.rules.client_predicates import client_predicates
from mailproxy.rules.predicate import Predicate
from mailproxy.rules.subject import Subject
from mailproxy.rules.surrounding_predicates import surrounding_predicates
from mailproxy.rules.surroundings import Surroundings
from mailproxy.rules.unknown import Test, Truth, all_of, any_of, negation


@frozen(eq=False)
class PreparedCondition:
    """A condition that is prepared, with its parts for the explanation."""

    test: Test[Subject]
    asks_client: bool
    """False if the answer is the same for all clients of a moment."""
    predicates: tuple[Predicate, ...] = ()
    any_of: tuple[PreparedCondition, ...] = ()
    all_of: tuple[PreparedCondition, ...] = ()
    none_of: PreparedCondition | None = None

    def measures(self, subject: Subject) -> Iterator[Measure]:
        """Yield what it counts of a client's source, if it matches the client; of `any`, in the parts that do."""
        for predicate in self.predicates:
            if predicate.measure is not None:
                yield predicate.measure
        for part in (*self.all_of, *(one for one in self.any_of if one.test(subject))):
            yield from part.measures(subject)


def prepare(condition: Condition, surroundings: Surroundings, *, has_tls: bool = True) -> PreparedCondition:
    """Prepare a condition, for clients that may have TLS or never have it."""
    own = (*client_predicates(condition, surroundings), *surrounding_predicates(condition, surroundings))
    part = partial(prepare, surroundings=surroundings, has_tls=has_tls)
    any_ = tuple(map(part, condition.any_of))
    all_ = tuple(map(part, condition.all_of))
    none = None if condition.none_of is None else part(condition.none_of)
    tests = [one.test for one in own]
    tests += [one.test for one in all_]
    tests += [any_of([one.test for one in any_])] if any_ else []
    tests += [negation(none.test)] if none is not None else []
    test = all_of(tests) if tests else _always
    if _never in tests or (not has_tls and condition.asks_about_tls):
        test = _never
    parts = (*own, *any_, *all_, *(() if none is None else (none,)))
    return PreparedCondition(test, any(one.asks_client for one in parts), own, any_, all_, none)


def _never(subject: Subject) -> Truth:
    """Return False."""
    return False


def _always(subject: Subject) -> Truth:
    """Return True."""
    return True


ALWAYS = PreparedCondition(_always, asks_client=False)
"""The condition that each client matches."""
