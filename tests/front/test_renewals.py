"""Certificates that renew while the front runs: when files are looked at, what is served, and what is logged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from mailproxy.config import Config, parse
from mailproxy.front.expiry_warnings import EXPIRY_SECONDS
from mailproxy.front.prepare import prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.renewals import Renewals
from mailproxy.tls.store import CertificateStore
from tests.tls.issue import NOW, issue

FILE = """
watch = "60s"

[tls.default]
certificates = ["*.pem"]

[tls.other]
certificates = ["*.pem"]
watch = "{watch}"

[frontend.imap]
bind = ["127.0.0.1:0"]
protocol = "imap"
backend = "dovecot"

[frontend.pop3]
bind = ["127.0.0.1:0"]
protocol = "pop3"
tls-profile = "other"
backend = "dovecot"

[backend.dovecot]
check = {{ type = "none" }}
ports = {{ imap = 1, pop3 = 2 }}
server.d1.address = "127.0.0.1"
"""


class Site:
    """A folder with certificates, and what looks at it."""

    def __init__(self, folder: Path, days: int = 60) -> None:
        self.folder = folder
        self.clock = Clock()
        self.process_state = ProcessState()
        self.wall = NOW + timedelta(seconds=100)
        self.process_state.certificates = CertificateStore(lambda: self.wall.timestamp())
        self.ticks = 0.0
        self.renewals = Renewals(self.process_state, self.clock, now=self._now, timer=self._timer)
        self.write("a.pem", issue("a", days=days).pem)
        self.settings = self.adopt()

    def _now(self) -> datetime:
        return self.wall

    def _timer(self) -> float:
        self.ticks += 0.0004
        return self.ticks

    def write(self, name: str, content: bytes) -> None:
        new = self.folder / f".{name}"
        new.write_bytes(content)
        new.replace(self.folder / name)

    def adopt(self, watch: str = "5s") -> Config:
        settings = parse(FILE.format(watch=watch), self.folder)
        prepare(settings, process_state=self.process_state).adopt()
        return settings

    def served(self, profile: str = "default") -> list[bytes]:
        return [certificate.encoded[0] for certificate in self.process_state.certificates.in_use[profile]]

    def pass_time(self, seconds: float) -> None:
        """Advance the clock by this time, and run all calls that are due."""
        self.wall += timedelta(seconds=seconds)
        self.clock.pump([0.1] * round(seconds * 10))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.renewals.start(site.settings)
    return site


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    with capturedLogs() as events:
        yield events  # type: ignore[misc]


def test_each_profile_has_its_rhythm(site: Site) -> None:
    before = site.served()
    site.write("a.pem", issue("a").pem)
    site.pass_time(6)
    assert site.served("other") != before == site.served()
    site.pass_time(60)
    assert site.served() == site.served("other")


def test_renewal_is_logged_with_names_and_end(site: Site) -> None:
    site.write("a.pem", issue("a", days=50).pem)
    with logged() as events:
        site.pass_time(6)
    (event,) = events
    end = NOW + timedelta(days=50, hours=1)
    assert formatEvent(event) == (
        f"certificate {site.folder}/a.pem, profile other: renewed, for a, until {end:%Y-%m-%d}"
    )
    assert (event["event"], event["news"], event["names"]) == ("certificate", "renewed", "a")


def test_bad_file_is_logged_once(site: Site) -> None:
    site.write("a.pem", b"")
    with logged() as events:
        site.pass_time(130)
    (event,) = events
    assert formatEvent(event) == (
        f"certificate refused, profile other: {site.folder}/a.pem: has no certificate (no -----BEGIN CERTIFICATE-----)"
        "; the previous one stays in use"
    )


def test_bad_staple_has_words_of_its_own(site: Site) -> None:
    site.write("a.pem.ocsp", b"no response")
    with logged() as events:
        site.pass_time(130)
    (event,) = events
    assert event["event"] == "staple-refused"
    reported = formatEvent(event)
    assert reported.startswith(f"OCSP response refused, profile other: {site.folder}/a.pem.ocsp: ")
    assert reported.endswith("; it is not stapled")


def test_files_that_change_just_now_are_looked_at_again_soon(site: Site) -> None:
    site.wall = datetime.now(NOW.tzinfo)
    site.renewals.check(["default"], is_asked=False)
    site.write("a.pem", b"")
    site.renewals.check(["default"], is_asked=False)
    site.clock.pump([0.1] * 5)
    site.write("a.pem", issue("a").pem)
    before = site.served()
    site.clock.pump([0.1] * 30)
    assert site.served() != before


def test_who_asks_learns_what_is_new(site: Site) -> None:
    site.write("a.pem", issue("a").pem)
    site.write("b.pem", issue("b").pem)
    site.write("c.pem", b"")
    reported: list[Any] = []
    site.renewals.check().addCallback(reported.append)
    site.pass_time(1)
    (renewed,) = reported
    assert [(change.profile, change.news) for change in renewed.changes] == [
        ("default", "renewed"),
        ("default", "added"),
        ("other", "renewed"),
        ("other", "added"),
    ]
    assert len(renewed.complaints) == 1


def test_other_processes_get_the_change(site: Site) -> None:
    announced: list[Any] = []
    site.renewals.announce = announced.append
    site.write("a.pem", issue("a").pem)
    site.pass_time(70)
    assert [list(certificates) for certificates in announced] == [["other"], ["default"]]
    site.pass_time(70)
    assert len(announced) == 2


def test_watch_of_0_seconds_never_looks(site: Site) -> None:
    before = site.served("other")
    site.renewals.follow(site.adopt(watch="0s"), site.renewals.renewed)
    site.write("a.pem", issue("a").pem)
    site.pass_time(30)
    assert site.served("other") == before


def test_look_that_a_reload_overtakes_changes_nothing(site: Site) -> None:
    for number in range(50):
        site.write(f"{number}.pem", issue(str(number)).pem)
    site.renewals.check()
    site.renewals.follow(site.adopt(), site.renewals.renewed)
    with logged() as events:
        site.pass_time(1)
    assert events == []


def test_renewal_that_a_reload_undoes_is_found_again(site: Site) -> None:
    before = site.renewals.renewed
    site.renewals.follow(site.adopt(watch="0s"), before)
    read_before_the_renewal = prepare(parse(FILE.format(watch="0s"), site.folder), process_state=site.process_state)
    site.write("a.pem", issue("a").pem)
    site.renewals.check()
    site.pass_time(1)
    renewed = site.served("other")
    read_before_the_renewal.adopt()
    assert site.served("other") != renewed
    site.renewals.follow(read_before_the_renewal.settings, before)
    site.pass_time(1)
    assert site.served("other") == renewed


def test_work_goes_in_slices(site: Site) -> None:
    for number in range(20):
        site.write(f"{number}.pem", issue(str(number)).pem)
    reported: list[Any] = []
    site.renewals.check(["default"]).addCallback(reported.append)
    assert reported == []
    slices = 0
    while not reported:
        site.clock.advance(0.001)
        slices += 1
    assert slices > 8


def test_nothing_is_looked_at_after_the_stop(site: Site) -> None:
    site.renewals.stop()
    assert site.clock.getDelayedCalls() == []


def test_renewed_certificate_that_expires_soon_is_reported(site: Site) -> None:
    site.write("a.pem", issue("a", days=10, since=-80).pem)
    with logged() as events:
        site.pass_time(7)
    assert [event["event"] for event in events] == ["certificate", "certificate-expires"]


def test_expiry_is_logged_while_the_front_runs(tmp_path: Path) -> None:
    site = Site(tmp_path, days=60)
    site.renewals.start(site.adopt("0s"))
    site.wall += timedelta(days=59)
    with logged() as events:
        site.clock.advance(EXPIRY_SECONDS)
        site.pass_time(1)
    assert [event["event"] for event in events] == ["certificate-expires"]
