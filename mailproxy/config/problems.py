"""What is wrong with a configuration: collected while it is read, and raised all at once."""

from collections.abc import Iterable

from attrs import frozen


@frozen
class Problem:
    """One thing that is wrong (or worth a remark), and the path of the key that it is about ('' for the whole file)."""

    key: str
    message: str

    def __str__(self) -> str:
        """Write it as one line."""
        return f"{self.key}: {self.message}" if self.key else self.message


class ConfigError(Exception):
    """
    The configuration cannot be used; `problems` has every reason.

    As text it is what a person should read: the file and how many problems it has, and each of them on a line.
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
        """Note what is wrong with the value at `key`; once, though many may come upon it."""
        self._found[Problem(key, message)] = None

    def replace(self, key: str, message: str) -> None:
        """Note what is wrong with the value at `key`, in place of all that was found in it."""
        self._found = {problem: None for problem in self._found if not _within(problem.key, key)}
        self.add(key, message)

    def at(self, key: str) -> bool:
        """Say whether `key`, a part of it or a table around it is wrong, and what follows from it not worth telling."""
        return any(_within(problem.key, key) or _within(key, problem.key) for problem in self._found)


def _within(key: str, outer: str) -> bool:
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))
