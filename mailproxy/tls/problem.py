"""Problems with certificates and their files."""

from collections.abc import Iterable

from attrs import frozen


@frozen
class CertificateProblem:
    """A problem with one file, folder or pattern."""

    path: str
    message: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"{self.path}: {self.message}"


class CertificateError(Exception):
    """Certificates cannot be used; `problems` has every problem, and the text has one line for each."""

    def __init__(self, problems: Iterable[CertificateProblem]) -> None:
        """Take the problems, at least one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
