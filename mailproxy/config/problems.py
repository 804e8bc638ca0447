"""The problems of a configuration: collected while it is read, and raised together."""

from collections.abc import Iterable

from attrs import frozen


@frozen
class Problem:
    """One problem or remark, and the path of its key ('' for the whole file)."""

    key: str
    message: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(Exception):
    """
    The configuration cannot be used; `problems` has all reasons.

    Its text is for people: the file, the number of problems, and a line for each.
    """

    def __init__(self, problems: Iterable[Problem], source: str = "the configuration") -> None:
        """Take the problems, and the file that they are in."""
        self.problems = tuple(problems)
        self.source = source
        super().__init__(self.problems, source)

    def __str__(self) -> str:
        """Write one problem on one line, or a headline and a line for each."""
        if len(self.problems) == 1:
            return f"{self.source}: {self.problems[0]}"
        return "\n".join([f"{self.source}: {len(self.problems)} problems", *map(str, self.problems)])


class Problems:
    """The problems found so far; it grows while a file is read."""

    def __init__(self) -> None:
        """Start without any."""
        self._found: dict[Problem, None] = {}

    @property
    def found(self) -> tuple[Problem, ...]:
        """Every problem once, in the order in which they were found."""
        return tuple(self._found)

    def add(self, key: str, message: str) -> None:
        """Note a problem with the value at `key`; the same problem is kept once."""
        self._found[Problem(key, message)] = None

    def replace(self, key: str, message: str) -> None:
        """Note a problem with the value at `key`, in place of all others in it."""
        self._found = {problem: None for problem in self._found if not _within(problem.key, key)}
        self.add(key, message)

    def at(self, key: str) -> bool:
        """
        Return whether `key`, a part of it or a table around it has a problem, so that its consequences need no line.
        """
        return any(_within(problem.key, key) or _within(key, problem.key) for problem in self._found)


def _within(key: str, outer: str) -> bool:
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))
