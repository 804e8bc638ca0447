"""
The rules of one frontend, made ready once for each reading of the configuration.

Theory of operation. Rules are tried in order. One that is true of a client decides, or adds something; one that is
false is skipped. One that is not known stops the first pass, at accept: it depends on TLS, and so might what comes
after it. The second pass, when TLS is known, continues with that rule. So what was decided at accept needs nothing of
TLS, and TLS cannot contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from attrs import frozen

from mailproxy.config.condition import Condition
from mailproxy.config.rule import Rule
from mailproxy.rules.client_predicates import client_predicates
from mailproxy.rules.decision import NOTHING, Decision, Pending
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
    test = all_of(tests) if tests else _always
    if _never in tests or (not has_tls and condition.asks_about_tls):
        test = _never
    return Ready(test, own, any_, all_, none)


def _never(subject: Subject) -> Truth:
    return False


def _always(subject: Subject) -> Truth:
    return True


class Rules:
    """The rules of a frontend."""

    def __init__(self, rules: Sequence[Rule], surroundings: Surroundings, *, has_tls: bool = True) -> None:
        """`has_tls` is False for a frontend whose clients are all in clear."""
        self.rules = tuple(rules)
        self.ready = tuple(make_ready(rule.condition, surroundings, has_tls=has_tls) for rule in rules)
        possible = [number for number, ready in enumerate(self.ready) if ready.test is not _never]
        self._steps = tuple(
            (step, number, self.ready[number].test, self.rules[number], NOTHING.joined(self.rules[number], number))
            for step, number in enumerate(possible)
        )

    def decide(self, subject: Subject, pending: Pending | None = None) -> Decision | Pending:
        """
        Return the decision for a client, or that it needs facts that are not known yet.

        `pending` is the result of the earlier pass.
        """
        steps, so_far = self._steps, NOTHING
        if pending is not None:
            steps, so_far = steps[pending.step :], pending.so_far
        for step, number, test, rule, alone in steps:
            held = test(subject)
            if held is False:
                continue
            if held is None:
                return Pending(step, number, so_far)
            so_far = alone if so_far is NOTHING else so_far.joined(rule, number)
            if rule.decides:
                return so_far
        return so_far
