"""Certificates and OCSP responses that expire while the front runs, in the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs, formatEvent

from mailproxy.front.expiry_warnings import EXPIRY_SECONDS, ExpiryWarnings
from mailproxy.front.process_state import ProcessState
from mailproxy.front.slices import Slices
from mailproxy.tls.certificate import Certificate
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.staple import read_staple
from tests.tls.issue import NOW, issue
from tests.tls.staples import staple


class Bench:
    """A process with one certificate in use, and its clocks."""

    def __init__(self, certificate: Certificate) -> None:
        self.clock = Clock()
        self.wall = NOW + timedelta(seconds=100)
        process_state = ProcessState()
        process_state.certificates.adopt({"default": (certificate,)})
        slices = Slices(self.clock, lambda: 0.0)
        self.warnings = ExpiryWarnings(process_state, self.clock, slices, lambda: self.wall)

    def start(self) -> Sequence[LogEvent]:
        """Return what is logged at the start."""
        with capturedLogs() as events:
            self.warnings.start()
        return events

    def pass_hour(self) -> Sequence[LogEvent]:
        """Return what is logged within an hour."""
        self.wall += timedelta(hours=1)
        with capturedLogs() as events:
            self.clock.advance(EXPIRY_SECONDS)
        return events


def of_days(days: int) -> Certificate:
    return make_certificate("/a.pem", issue("a", days=days, since=-80).pem)


def test_expiry_is_logged_on_the_days_of_warnings() -> None:
    bench = Bench(of_days(60))
    bench.start()
    found = [(hour // 24, event["days"]) for hour in range(62 * 24) for event in bench.pass_hour()]
    assert found == [(30, 29), (46, 13), (53, 6), (59, 0), (60, -1)]


@pytest.mark.parametrize(("days", "expected"), [(10, [10]), (40, []), (-3, [])])
def test_expiry_that_is_near_is_logged_at_the_start(days: int, expected: list[int]) -> None:
    # Of those that have expired, the start warns itself.
    assert [event["days"] for event in Bench(of_days(days)).start()] == expected


def test_expiry_is_logged_when_it_is_asked_for() -> None:
    bench = Bench(of_days(60))
    bench.start()
    bench.wall += timedelta(days=59)
    with capturedLogs() as events:
        bench.warnings.warn()
    assert [event["event"] for event in events] == ["certificate-expires"]


def test_staple_that_is_out_of_date_is_logged_once() -> None:
    authority = issue(common_name="authority", authority=True)
    mail = issue("a", issuer=authority, days=60)
    certificate = make_certificate("/a.pem", mail.pem + authority.certificate_pem)
    stapled = read_staple(staple(mail, authority), certificate.leaf, certificate.chain[0], NOW)
    bench = Bench(evolve(certificate, staple=stapled))
    bench.start()
    (event,) = (event for _ in range(5 * 24) for event in bench.pass_hour() if event["event"] == "staple-expired")
    assert formatEvent(event).startswith("certificate /a.pem: its OCSP response is out of date since ")


def test_nothing_is_logged_after_the_stop() -> None:
    bench = Bench(of_days(60))
    bench.start()
    bench.warnings.stop()
    assert bench.clock.getDelayedCalls() == []
