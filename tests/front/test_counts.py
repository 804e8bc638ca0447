"""The counts of one process."""

from __future__ import annotations

import pytest

from mailproxy.counting.page import NUMBERS_PER_PAGE
from mailproxy.front.counts import Counts
from mailproxy.front.sockets import StartError
from mailproxy.session.numbers import CONNECTIONS
from tests.config.builders import read


def test_numbers_continue_with_a_later_reading() -> None:
    counts = Counts()
    counts.assign_places(read())
    counts.frontend("imaps").numbers[CONNECTIONS] += 1
    counts.assign_places(read())
    assert counts.frontend("imaps").sums()[CONNECTIONS] == 1


def test_configuration_with_too_many_numbers_is_refused() -> None:
    counts = Counts()
    counts.places.add({"earlier": NUMBERS_PER_PAGE - 1})
    with pytest.raises(StartError, match="restart"):
        counts.assign_places(read())
