"""A TOML table that is being read key by key: keys that no code has asked for are unknown."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from mailproxy.config.kind import Kind, WrongValue, check_name
from mailproxy.config.problems import Problems
from mailproxy.config.words import described, key_path, listed, nearest, quoted

T = TypeVar("T")
U = TypeVar("U")
D = TypeVar("D")


class Table:
    """
    The table at `path`.

    No method raises for the file's contents: it notes a problem and returns a stand-in, so that one reading finds every
    problem. `child` and `children` call a table's reader; otherwise call `end` after reading.
    """

    def __init__(
        self,
        path: str,
        values: Mapping[str, object],
        problems: Problems,
        elsewhere: Callable[[str], str] = lambda key: "",
    ) -> None:
        """
        Read `values`, and note their problems in `problems`.

        `elsewhere` returns words, to continue ``KEY: …``, about other tables that have a key; "" if none has it.
        """
        self.path = path
        self._elsewhere = elsewhere
        self._values = values
        self._problems = problems
        self._known: list[str] = []
        self._refused: list[str] = []
        self._haproxy: dict[str, str] = {}
        self._needs: dict[str, str] = {}
        self._examples: dict[str, str] = {}

    def __contains__(self, key: str) -> bool:
        """Return whether the file has `key` here."""
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        """Yield the keys that the file has here, in its order."""
        return iter(self._values)

    def report(self, key: str, message: str) -> None:
        """Note a problem with `key`."""
        self._problems.add(self._at(key), message)

    def report_itself(self, message: str) -> None:
        """Note a problem with the table as a whole."""
        self._problems.add(self.path, message)

    def is_sound(self, *keys: str) -> bool:
        """Return whether none of `keys` has a problem so far, so that comparing them makes sense."""
        return not any(self._problems.at(self._at(key)) for key in keys)

    def take(self, key: str, kind: Kind[T], default: D) -> T | D:
        """Read the value of `key`; return `default` if it is missing or wrong."""
        self._known.append(key)
        if key not in self:
            return default
        return self._read(self._at(key), self._values[key], kind, default, self._such_as(key))

    def require(self, key: str, kind: Kind[T], stand_in: D) -> T | D:
        """Read the value of `key`, which is required."""
        if key not in self:
            self.report(key, f"is missing, needs {kind.needs}")
        return self.take(key, kind, stand_in)

    def each(self, key: str, kind: Kind[T], *, or_one: bool = False) -> tuple[T, ...]:
        """
        Read a list; an empty one if it is missing. Wrong entries are left out.

        With `or_one`, a value without brackets is a list of one.
        """
        self._known.append(key)
        values = self._values.get(key, [])
        if or_one and key in self and type(values) in kind.types:
            return tuple(entry for entry in (self._read(self._at(key), values, kind, None),) if entry is not None)
        if not isinstance(values, list):
            self.report(key, f"is {described(values)}, needs a list in which each entry is {kind.needs}")
            return ()
        read = (self._read(f"{self._at(key)}[{i}]", value, kind, None) for i, value in enumerate(values))
        return tuple(entry for entry in read if entry is not None)

    def require_each(self, key: str, kind: Kind[T]) -> tuple[T, ...]:
        """Read a required list with at least one entry."""
        if key not in self or self._values[key] == []:
            state = "is an empty list" if key in self else "is missing"
            self.report(key, f"{state}, needs a list in which each entry is {kind.needs}")
        return self.each(key, kind)

    def child(self, key: str, read: Callable[["Table"], T]) -> T:
        """Read the table under `key`; an empty one if it is missing."""
        self._known.append(key)
        values = self._values.get(key, {})
        if not isinstance(values, dict):
            self.report(key, f"is {described(values)}, needs a table: [{self._at(key)}]{self._such_as(key)}")
            values = {}
        return self._enter(self._at(key), values, read)

    def child_if_there(self, key: str, read: Callable[["Table"], T]) -> T | None:
        """Read the table under `key`; None if it is missing, or no table."""
        if key not in self:
            self._known.append(key)
            return None
        return self.child(key, read if isinstance(self._values[key], dict) else _read_nothing)

    def value_or_child(self, key: str, kind: Kind[T], read: Callable[["Table"], U]) -> T | U | None:
        """Read a value of `kind` or a table; None if it is missing or wrong."""
        if isinstance(self._values.get(key), dict):
            return self.child(key, read)
        return self.take(key, kind, None)

    def children(self, key: str, read: Callable[[str, "Table"], T]) -> tuple[T, ...]:
        """Read the tables ``[key.NAME]`` in the file's order."""
        found: list[T] = []

        def read_all(tables: Table) -> None:
            for name, values in tables._values.items():
                tables._known.append(name)
                try:
                    check_name(name)
                except WrongValue as error:
                    tables.report(name, str(error))
                if isinstance(values, dict):
                    found.append(tables._enter(tables._at(name), values, partial(read, name), name))
                else:
                    tables.report(name, f"is {described(values)}, needs to be in a table: [{tables.path}.NAME]")

        self.child(key, read_all)
        return tuple(found)

    def tables(self, key: str, read: Callable[["Table"], T]) -> tuple[T, ...]:
        """Read the tables of a list, ``[[key]]``, in their order; none if it is missing."""
        self._known.append(key)
        values = self._values.get(key, [])
        if not isinstance(values, list):
            hint = f": [[{self._at(key)}]]" if isinstance(values, dict) else ""
            self.report(key, f"is {described(values)}, needs a list of tables{hint}")
            return ()
        found: list[T] = []
        for number, value in enumerate(values):
            path = f"{self._at(key)}[{number}]"
            if isinstance(value, dict):
                found.append(self._enter(path, value, read))
            else:
                self._problems.add(path, f"is {described(value)}, needs a table")
        return tuple(found)

    def refuse(self, key: str, explanation: str) -> None:
        """Refuse a key that other versions or other tables have, with a sentence on what to do."""
        self._refused.append(key)
        if key in self:
            self.report(key, explanation)

    def describe(self, key: str, needs: str, haproxy: Iterable[str], example: str) -> None:
        """Suggest `key` for HAProxy's words for it, and `example` if its value is wrong."""
        self._haproxy |= dict.fromkeys(haproxy, key)
        self._needs[key] = needs
        if example:
            self._examples[key] = example

    def end(self) -> None:
        """Note every key that no code has asked for."""
        for key in self._values:
            if key not in self._known and key not in self._refused:
                self.report(key, self._unknown(key))

    def _unknown(self, key: str) -> str:
        unknown = "is not a key that mailproxy knows"
        if key in self._haproxy:
            meant = self._haproxy[key]
            return f"{unknown}; did you mean {quoted(meant)} ({self._needs[meant]})?"
        elsewhere = self._elsewhere(key)
        near = nearest(key, self._known, at_least=0.8 if elsewhere else 0.6)
        if near:
            return f"{elsewhere or unknown}; did you mean {quoted(near)}?"
        return elsewhere or f"{unknown}; known here: {listed(self._known)}"

    def _such_as(self, key: str) -> str:
        return f", such as {self._examples[key]}" if key in self._examples else ""

    def _rest_of_name(self) -> str:
        """Return the rest of a name with dots, which TOML has read as tables; "" if there is none."""
        rest: list[str] = []
        values = self._values
        while not any(key in self._known or key in self._refused for key in values):
            if not values or not all(isinstance(value, dict) for value in values.values()):
                return ""
            key, inner = next(iter(values.items()))
            assert isinstance(inner, dict)
            rest.append(key)
            values = inner
        return ".".join(rest)

    def _at(self, key: str) -> str:
        return key_path(self.path, key)

    def _enter(self, path: str, values: Mapping[str, object], read: Callable[["Table"], T], name: str = "") -> T:
        table = Table(path, values, self._problems, self._elsewhere)
        result = read(table)
        table.end()
        if name and (rest := table._rest_of_name()):
            self._problems.replace(
                path,
                f"has only the table {quoted(rest)}; quote a name with dots: [{self._at(f'{name}.{rest}')}]",
            )
        return result

    def _read(self, path: str, value: object, kind: Kind[T], default: D, such_as: str = "") -> T | D:
        if type(value) not in kind.types:  # a bool is an int for isinstance, but not in TOML
            self._problems.add(path, f"is {described(value)}, needs {kind.needs}{such_as}")
            return default
        try:
            return kind.read(value)
        except WrongValue as error:
            self._problems.add(path, str(error))
            return default


def _read_nothing(table: Table) -> None:
    """Read what is no table, so that it has one problem alone."""
