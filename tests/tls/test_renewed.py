"""What is new in certificates, in words."""

from __future__ import annotations

import pytest
from attrs import evolve

from mailproxy.tls.certificate import Certificate
from mailproxy.tls.pem import make_certificate
from mailproxy.tls.renewed import changes, in_words, shown_names
from mailproxy.tls.staple import Staple
from mailproxy.tls.steps import finish
from tests.tls.issue import NOW, issue


def certificate(path: str, *names: str) -> Certificate:
    return make_certificate(path, issue(*names).pem)


A, B = certificate("/a.pem", "a"), certificate("/b.pem", "b")
END = f"{A.not_after:%Y-%m-%d}"


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ([A], [A], []),
        ([A], [A, B], [f"/b.pem, profile p: added, for b, until {END}"]),
        ([A, B], [B], ["/a.pem, profile p: removed (a)"]),
        ([A], [certificate("/a.pem", "a", "c")], [f"/a.pem, profile p: renewed, for a, c, until {END}"]),
        (
            [A],
            [evolve(A, staple=Staple(b"", NOW, NOW))],
            [f"/a.pem, profile p: new OCSP response, until {NOW:%Y-%m-%d %H:%M} UTC"],
        ),
        ([evolve(A, staple=Staple(b"", NOW, None))], [A], ["/a.pem, profile p: its OCSP response is gone"]),
    ],
)
def test_each_change_is_described(before: list[Certificate], after: list[Certificate], lines: list[str]) -> None:
    assert list(map(str, finish(changes("p", before, after)))) == lines


def test_few_names_are_shown() -> None:
    assert shown_names(certificate("/c.pem", "a", "b", "c", "d", "e")) == "a, b, c and 2 more"
    assert shown_names(certificate("/c.pem")) == "no name"
    forged = evolve(A, names=("a\nb",))
    assert shown_names(forged) == "a\\nb"


def test_changes_are_details_of_one_line_and_many_are_counted() -> None:
    assert in_words(finish(changes("p", [A], [B]))) == (f"/b.pem added, until {END}", "/a.pem removed")
    many = [evolve(A, path=f"/{number}.pem") for number in range(1000)]
    words = in_words(finish(changes("p", [], many)))
    assert len(words) == 6
    assert words[-1] == "995 other certificates"
