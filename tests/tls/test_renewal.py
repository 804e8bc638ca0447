"""What has become of certificates, in words."""

from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve

from mailproxy.tls.certificate import Certificate, make_certificate
from mailproxy.tls.renewal import TOLD, renewals
from tests.tls.issue import issue
from tests.tls.servers import NAME

ONE = evolve(make_certificate("/a.pem", issue(NAME).pem), not_after=datetime(2027, 1, 2, tzinfo=UTC))


def at(path: str, digest: bytes = b"1") -> Certificate:
    return evolve(ONE, path=path, digest=digest)


def test_same_certificates_are_no_words() -> None:
    assert renewals([at("/a.pem"), at("/b.pem")], [at("/b.pem"), at("/a.pem")]) == ()


def test_each_change_is_told_with_its_end() -> None:
    assert renewals([at("/a.pem"), at("/b.pem")], [at("/c.pem"), at("/a.pem", b"2")]) == (
        "certificate /c.pem added, valid until 2027-01-02",
        "certificate /a.pem renewed, valid until 2027-01-02",
        "certificate /b.pem removed",
    )


def test_many_are_counted() -> None:
    words = renewals([], [at(f"/{number}.pem") for number in range(1000)])
    assert len(words) == TOLD + 1
    assert words[-1] == "and 995 other certificates"
