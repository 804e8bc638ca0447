"""Three-valued logic."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.rules.unknown import Test, Truth, all_of, any_of, negation

TRUTHS: tuple[Truth, ...] = (True, False, None)
LISTS = st.lists(st.sampled_from(TRUTHS), min_size=1, max_size=5)


def asking(*truths: Truth) -> list[Test[None]]:
    return [lambda subject, truth=truth: truth for truth in truths]  # type: ignore[misc]  # a default


AND = {(True, True): True, (True, None): None, (None, None): None}
OR = {(False, False): False, (False, None): None, (None, None): None}


@pytest.mark.parametrize("pair", list(product(TRUTHS, TRUTHS)))
def test_tables_are_those_of_kleene(pair: tuple[Truth, Truth]) -> None:
    ordered = (pair[0], pair[1]) if pair in AND or pair in OR else (pair[1], pair[0])
    assert all_of(asking(*pair))(None) == (False if False in pair else AND[ordered])
    assert any_of(asking(*pair))(None) == (True if True in pair else OR[ordered])


@pytest.mark.parametrize(("truth", "negated"), [(True, False), (False, True), (None, None)])
def test_not_known_stays_not_known(truth: Truth, negated: Truth) -> None:
    assert negation(asking(truth)[0])(None) == negated


@given(LISTS)
def test_negation_follows_de_morgan(truths: list[Truth]) -> None:
    negated = [negation(test) for test in asking(*truths)]
    assert negation(all_of(asking(*truths)))(None) == any_of(negated)(None)


@given(LISTS, LISTS)
def test_what_is_known_stays_when_more_is_known(truths: list[Truth], later: list[Truth]) -> None:
    """Each undecided truth becomes any other; a result that was decided does not change."""
    known = [truth if truth is not None else later[at % len(later)] for at, truth in enumerate(truths)]
    for combine in (all_of, any_of):
        before = combine(asking(*truths))(None)
        assert before is None or combine(asking(*known))(None) == before
