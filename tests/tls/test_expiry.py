"""Warnings about a certificate 30, 14, 7 and 1 days before its expiry, and after it."""

from __future__ import annotations

from datetime import timedelta

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.expiry import ExpiryNotices, expiring
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.steps import finish
from tests.tls.issue import NOW, issue

LONG = make_certificate("/long.pem", issue("a", days=60, since=-30).pem)
"""One of 90 days; it ends in 60 days and an hour."""

OTHER = make_certificate("/other.pem", issue("a", days=60, since=-30).pem)
SHORT = make_certificate("/short.pem", issue("a", days=5, since=-1).pem)


def reported_on(days: range, certificate: Certificate = LONG) -> list[tuple[int, int]]:
    """The days with a warning, checked every hour, and the number of days in each warning."""
    notices = ExpiryNotices()
    return [
        (day, notice.days)
        for day in days
        for hour in range(24)
        for notice in finish(notices.due([certificate], NOW + timedelta(days=day, hours=hour)))
    ]


def test_each_step_is_reported_once() -> None:
    assert reported_on(range(70)) == [(30, 30), (46, 14), (53, 7), (59, 1), (60, -1)]


def test_last_step_that_has_come_is_reported_at_the_start() -> None:
    assert reported_on(range(50, 52)) == [(50, 10)]


def test_steps_longer_than_a_certificate_s_life_are_left_out() -> None:
    assert reported_on(range(7), SHORT) == [(4, 1), (5, -1)]


def test_clock_that_goes_back_repeats_no_report() -> None:
    notices = ExpiryNotices()
    at = NOW + timedelta(days=30, hours=2)
    assert len(finish(notices.due([LONG], at))) == 1
    assert finish(notices.due([LONG], at - timedelta(days=1))) == []
    assert finish(notices.due([LONG], at)) == []


def test_renewed_certificate_is_reported_again() -> None:
    notices = ExpiryNotices()
    at = NOW + timedelta(days=50)
    assert len(finish(notices.due([LONG], at))) == 1
    assert len(finish(notices.due([OTHER], at))) == 1


def test_certificate_of_several_profiles_is_reported_once() -> None:
    assert len(finish(ExpiryNotices().due([LONG, LONG], NOW + timedelta(days=50)))) == 1


def test_certificate_of_several_profiles_that_expires_soon_is_one_notice() -> None:
    assert [notice.days for notice in expiring([LONG, LONG, SHORT], NOW + timedelta(days=55))] == [5]


def test_notice_has_the_days_that_are_left() -> None:
    notices = ExpiryNotices()
    lines = [
        str(*finish(notices.due([LONG], NOW + timedelta(days=days, hours=2)))).partition(", on")[0]
        for days in (50, 58, 59)
    ]
    assert lines == [
        "/long.pem: expires in 9 days",
        "/long.pem: expires in 1 day",
        "/long.pem: expires in less than a day",
    ]
    (expired,) = finish(notices.due([LONG], NOW + timedelta(days=61)))
    assert str(expired).startswith("/long.pem: expired on 20")
