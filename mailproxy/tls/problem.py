"""What is wrong with certificates and their files."""

from collections.abc import Iterable

from attrs import frozen


@frozen
class CertificateProblem:
    """What is wrong with one file, folder or pattern."""

    path: str
    message: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.path}: {self.message}"


class CertificateError(Exception):
    """Certificates that cannot be used; `problems` has every one, and as text each is a line."""

    def __init__(self, problems: Iterable[CertificateProblem]) -> None:
        """Take the problems, at least one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
