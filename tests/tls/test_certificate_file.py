"""One certificate, whose files are read again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from errno import EACCES
from typing import Any

import pytest

from mailproxy.tls.certificate_file import NEVER_READ, CertificateFile, read_again
from mailproxy.tls.source import Content, Marks
from tests.tls.issue import NOW, issue

MARKS = Marks((("/a.pem", (1,)),))
GOOD = issue("a").pem


def content(pem: bytes) -> Callable[[str], Content]:
    return lambda path: Content(pem, None, MARKS)


def read(before: CertificateFile, pem: bytes, **changes: Any) -> CertificateFile | None:
    how: dict[str, Any] = {"is_fresh": False, "is_asked": False, "now": NOW} | changes
    return read_again("/a.pem", before, MARKS, content(pem), **how)


@pytest.fixture
def good() -> CertificateFile:
    made = read(NEVER_READ, GOOD)
    assert made is not None
    return made


def test_good_file_is_remembered_with_its_marks(good: CertificateFile) -> None:
    assert good.certificate is not None
    assert (good.certificate.names, good.marks, good.problem) == (("a",), MARKS, None)


def test_same_content_is_the_same_certificate(good: CertificateFile) -> None:
    again = read(good, GOOD)
    assert again is not None
    assert again.certificate is good.certificate


def test_bad_file_leaves_the_certificate_from_before(good: CertificateFile) -> None:
    bad = read(good, b"")
    assert bad is not None
    assert bad.certificate is good.certificate
    assert str(bad.problem).startswith("/a.pem: has no certificate")


def test_bad_file_that_has_just_changed_waits_unless_it_is_asked_for(good: CertificateFile) -> None:
    assert read(good, b"", is_fresh=True) is None
    asked = read(good, b"", is_fresh=True, is_asked=True)
    assert asked is not None
    assert asked.marks is None  # read again the next time


def test_certificate_that_has_expired_does_not_replace_a_good_one(good: CertificateFile) -> None:
    expired = read(good, issue("a", days=2).pem, now=NOW + timedelta(days=5))
    assert expired is not None
    assert expired.certificate is good.certificate
    assert "expired on" in str(expired.problem)


def test_unreadable_file_is_named_with_the_reason() -> None:
    def refuse(path: str) -> Content:
        raise PermissionError(EACCES, "Permission denied", "/a.key")

    refused = read_again("/a.pem", NEVER_READ, MARKS, refuse, is_fresh=False, is_asked=False, now=NOW)
    assert refused is not None
    assert str(refused.problem) == "/a.key: cannot be read: Permission denied"
