"""How many sessions the limit on open files has room for."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from mailproxy.config.frontend import DEFAULT_MAXCONN
from mailproxy.front.descriptors import (
    SPARE_DESCRIPTORS,
    affordable_sessions,
    capacity_warnings,
    raise_limit,
)
from tests.config.builders import read

ROOM = 1000
HARD = SPARE_DESCRIPTORS + 2 * ROOM + 2  # and a socket for each of two frontends
POP3S = {"bind": ["0.0.0.0:995"], "protocol": "pop3", "backend": "dovecot", "maxconn": ROOM - 1}


@pytest.fixture(autouse=True)
def raised(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Limits on open files, and what is made of them."""
    made: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, HARD))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: made.append(limits))
    return made


def found(imaps: int, **settings: Any) -> list[str]:
    """Warnings about two frontends, one with this `maxconn` and one with less than there is room for."""
    return list(capacity_warnings(read(frontend__imaps__maxconn=imaps, frontend__pop3s=POP3S, **settings)))


def test_limit_is_raised_as_far_as_it_goes(raised: list[object]) -> None:
    raise_limit()
    assert raised == [(HARD, HARD)]


def test_session_has_two_descriptors() -> None:
    assert affordable_sessions(read(frontend__pop3s=POP3S)) == ROOM


def test_frontends_that_leave_room_are_in_order() -> None:
    assert found(ROOM - 1) == []


@pytest.mark.parametrize("maximum", [ROOM, 20_001])
def test_frontend_that_can_take_every_place_is_reported(maximum: int) -> None:
    assert found(maximum) == [
        "maxconn of frontend.imaps: lets the clients of one frontend take all 1000 places, and the "
        "other frontends get none; set it lower, or raise the limit on open files"
    ]


def test_places_are_those_of_the_whole() -> None:
    assert found(500, maxconn=500) == [
        "maxconn of frontend.imaps, frontend.pop3s: lets the clients of one frontend take all 500 places, and the "
        "other frontends get none; set it lower"
    ]


def test_places_that_nobody_has_divided_are_no_warning() -> None:
    assert found(DEFAULT_MAXCONN) == []


def test_default_beyond_the_maxconn_of_the_whole_is_reported() -> None:
    (warning,) = found(DEFAULT_MAXCONN, maxconn=ROOM)
    assert warning.startswith("maxconn of frontend.imaps: lets")


def test_only_frontend_takes_nothing_from_others() -> None:
    assert list(capacity_warnings(read(frontend__imaps__maxconn=20000))) == []


def test_whole_that_there_is_no_room_for_is_reported() -> None:
    assert found(1, maxconn=ROOM) == []
    assert found(1, maxconn=ROOM + 1) == [
        "maxconn: is 1001, and the limit on open files has room for 1000 clients; raise the limit, or write maxconn = 0"
    ]
