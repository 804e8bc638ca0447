"""Finds what a reload would change in a running service, without a reload."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import Any

from attrs import frozen

from mailproxy.config import Config, ConfigError, Problem, parse
from mailproxy.config.difference import Difference, differences_since
from mailproxy.config.place import Bind
from mailproxy.config.words import key_path
from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse as parse_command


@frozen
class Comparison:
    """A configuration beside that of a running service."""

    differences: tuple[Difference, ...]
    """What a reload changes."""
    binds: frozenset[Bind]
    """Where the service listens now."""


def against_running(settings: Config, path: str) -> Comparison:
    """Compare `settings` with the service that has the admin socket `path`; `NoService` if it does not answer."""
    with Call(path) as call:
        started, current = _configurations(call, path)
    binds = frozenset(place for frontend in current.frontends for place in frontend.bind)
    return Comparison(differences_since(started, current, settings), binds)


def kept_by_running(settings: Config, problems: Iterable[Problem], path: str) -> tuple[Problem, ...]:
    """
    Return the problems with files in whose place the service with the admin socket `path` uses earlier ones.

    The files are certificates and the lists of networks of `settings`. Their problems do not prevent a reload: the
    earlier ones stay in use. Raises `NoService` if the service does not answer.
    """
    with Call(path) as call:
        served = [_served(line) for line in call.ask(parse_command(["show", "certificates"])) if line.get("names")]
        known = _configurations(call, path)[1].list_files if settings.list_files else {}
    lists = [(key, one) for one, key in settings.list_files.items() if one in known]
    return tuple(
        problem
        for problem in problems
        if any(_is_of(problem, *one) for one in served) or any(_is_of_list(problem, *one) for one in lists)
    )


def _served(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key of a certificate's profile, and its path."""
    return key_path("tls", str(row.get("profile")), "certificates"), str(row.get("path"))


def _is_of(problem: Problem, key: str, path: str) -> bool:
    """Return whether a problem is with the certificate at a path, a file in that folder, or an entry that matches."""
    where = problem.message.partition(": ")[0]
    inside = f"{path.rstrip('/')}/"
    return problem.key == key and (f"{where}/".startswith(inside) or fnmatch(inside, f"{where.rstrip('/')}/"))


def _is_of_list(problem: Problem, key: str, path: str) -> bool:
    """Return whether a problem is with the list of networks at a path, or with one of its lines."""
    return problem.key == key and problem.message.startswith(f"{path}:")


def _configurations(call: Call, path: str) -> tuple[Config, Config]:
    """Return the configuration that the service started with, and the one that it has now."""
    for line in call.ask(parse_command(["show", "config"])):
        if line.get("type") != "row":
            raise NoService(f"{path}: {line.get('error')}")
        folder, text = str(line.get("folder")), str(line.get("text"))
        started = line.get("started")
        try:
            current = parse(text, folder)
            return current if started is None else parse(str(started), folder), current
        except ConfigError as error:
            raise NoService(
                f"{path}: this mailproxy cannot read the configuration of the running service, which may have "
                f"another version: {error}"
            ) from None
    raise NoService(f"{path}: the service did not answer")
