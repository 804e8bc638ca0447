"""Conditions, made ready once for each reading of the configuration."""

from __future__ import annotations

from functools import partial

from attrs import frozen

from mailproxy.config.condition import Condition
from mailproxy.rules.client_predicates import client_predicates
from mailproxy.rules.predicate import Predicate
from mailproxy.rules.subject import Subject
from mailproxy.rules.surrounding_predicates import surrounding_predicates
from mailproxy.rules.surroundings import Surroundings
from mailproxy.rules.unknown import Test, Truth, all_of, any_of, negation


@frozen(eq=False)
class Ready:
    """A condition, made ready, with its parts for the explanation."""

    test: Test[Subject]
    predicates: tuple[Predicate, ...] = ()
    any_of: tuple[Ready, ...] = ()
    all_of: tuple[Ready, ...] = ()
    none_of: Ready | None = None


def make_ready(condition: Condition, surroundings: Surroundings, *, has_tls: bool = True) -> Ready:
    """Make a condition ready, for clients that may have TLS or never have it."""
    own = (*client_predicates(condition, surroundings), *surrounding_predicates(condition, surroundings))
    ready = partial(make_ready, surroundings=surroundings, has_tls=has_tls)
    any_ = tuple(map(ready, condition.any_of))
    all_ = tuple(map(ready, condition.all_of))
    none = None if condition.none_of is None else ready(condition.none_of)
    tests = [one.test for one in own]
    tests += [one.test for one in all_]
    tests += [any_of([one.test for one in any_])] if any_ else []
    tests += [negation(none.test)] if none is not None else []
    test = all_of(tests) if tests else always
    if never in tests or (not has_tls and condition.asks_about_tls):
        test = never
    return Ready(test, own, any_, all_, none)


def never(subject: Subject) -> Truth:
    """Return False."""
    return False


def always(subject: Subject) -> Truth:
    """Return True."""
    return True
