"""Problems that are there now: since when, and whether they are in the log."""

from __future__ import annotations

from twisted.internet.task import Clock

from mailproxy.tls.complaint import Complaint, KnownProblems
from mailproxy.tls.problem import CertificateProblem

BAD = CertificateProblem("/a.pem", "is bad")
WORSE = CertificateProblem("/a.pem", "is worse")


def test_problem_is_there_since_it_was_first_found() -> None:
    clock = Clock()
    known = KnownProblems(clock.seconds)
    assert known.since(BAD) is None
    known.add(BAD)
    clock.advance(5.0)
    known.add(BAD)
    assert known.since(BAD) == 0.0


def test_problem_that_was_logged_is_known_until_it_is_solved() -> None:
    known = KnownProblems(lambda: 0.0)
    known.add(BAD)
    known.remember([Complaint(BAD, "it is not served")])
    known.forget_if_solved(BAD, BAD)
    assert known.is_logged(BAD)
    known.forget_if_solved(BAD)
    assert (known.is_logged(BAD), known.since(BAD)) == (False, None)


def test_other_problem_of_a_file_solves_the_one_before() -> None:
    known = KnownProblems(lambda: 0.0)
    known.add(BAD)
    known.forget_if_solved(BAD, WORSE)
    assert known.since(BAD) is None


def test_complaint_is_one_line_with_the_consequence() -> None:
    assert str(Complaint(BAD, "it is not served")) == f"{BAD}; it is not served"
