"""Problems with certificates and their files: each in words, and since when there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from attrs import frozen

from mailproxy.tls.problem import CertificateProblem


@frozen
class Complaint:
    """A problem with a file, folder or entry, and its consequence."""

    problem: CertificateProblem
    consequence: str
    path: str = ""
    """The path of the certificate, or the entry: the problem may be with another file that belongs to it."""
    is_staple: bool = False
    """True if the problem is with an OCSP response, not with the certificate."""
    profiles: tuple[str, ...] = ()
    """The profiles that have the certificate or the entry, of those that were read."""

    def __str__(self) -> str:
        """Return the complaint as one line."""
        return f"{self.problem}; {self.consequence}"


@frozen
class Refusal:
    """A file that is refused now: why, and since what time (of the wall clock, in seconds)."""

    path: str
    """The path of the certificate, or the entry."""
    problem: CertificateProblem
    since: float
    is_staple: bool = False

    def __str__(self) -> str:
        """Return what is refused, and why."""
        return f"OCSP response {self.problem}" if self.is_staple else str(self.problem)


class KnownProblems:
    """The problems that there are now (mutable)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is the wall clock."""
        self._clock = clock
        self._logged: set[CertificateProblem] = set()
        self._since: dict[CertificateProblem, float] = {}

    def add(self, problem: CertificateProblem) -> None:
        """Note when a problem was first found."""
        self._since.setdefault(problem, self._clock())

    def since(self, problem: CertificateProblem) -> float | None:
        """Return when it was first found; None if it is not there now."""
        return self._since.get(problem)

    def is_logged(self, problem: CertificateProblem) -> bool:
        """Return whether the problem is in the log."""
        return problem in self._logged

    def remember(self, complaints: Iterable[Complaint]) -> None:
        """Note that these are in the log."""
        self._logged.update(complaint.problem for complaint in complaints)

    def forget_if_solved(self, before: CertificateProblem | None, now: CertificateProblem | None = None) -> None:
        """Forget a problem, unless the problem now is the same."""
        if before is not None and before != now:
            self._logged.discard(before)
            self._since.pop(before, None)
