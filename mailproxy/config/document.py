"""Makes a `Config` from a file, its text or parsed TOML: each table's module reads it, then the tables are compared."""

import os
import tomllib
from collections.abc import Mapping
from functools import partial

from attrs import evolve

from mailproxy.config.admin import read_admin
from mailproxy.config.backend import read_backend
from mailproxy.config.bans import read_bans
from mailproxy.config.config import Config
from mailproxy.config.frontend import read_frontend
from mailproxy.config.key import Fields, read_keys
from mailproxy.config.limits import read_limits
from mailproxy.config.log import read_log
from mailproxy.config.problems import ConfigError, Problem, Problems
from mailproxy.config.references import check_references
from mailproxy.config.resolvers import read_resolvers
from mailproxy.config.table import Table
from mailproxy.config.tables import elsewhere
from mailproxy.config.tls import read_profile


def load(path: str | os.PathLike[str]) -> Config:
    """Read the file at `path`; paths in it are relative to its folder. Raises `ConfigError` with every problem."""
    source = os.fspath(path)
    try:
        return parse(_text(source), os.path.dirname(os.path.abspath(source)))
    except ConfigError as error:
        raise ConfigError(error.problems, source) from None


def parse(text: str, folder: str | os.PathLike[str]) -> Config:
    """Read a configuration from its text; paths in it are relative to `folder`. Raises `ConfigError`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unusable(f"is not TOML: {_placed(str(error), text)}{_quotes(str(error))}") from None
    except (RecursionError, ValueError):
        # Thousands of brackets; or int() refuses thousands of digits, and tomllib passes that error on.
        raise _unusable(
            "is not TOML that can be read: something in it is nested too deeply, or a number is too long"
        ) from None
    return evolve(read_document(values, os.path.abspath(folder)), text=text)


def read_document(values: Mapping[str, object], folder: str) -> Config:
    """Turn parsed TOML into a `Config`; relative paths start at `folder`. Raises `ConfigError` with every problem."""
    problems = Problems()
    table = Table("", values, problems, partial(elsewhere, Fields(Config)))
    config = evolve(
        read_keys(table, Config(frontends=(), backends={})),
        log=table.child("log", read_log),
        limits=table.child("limits", read_limits),
        admin=table.child("admin", partial(read_admin, folder)),
        bans=table.child("bans", partial(read_bans, folder)),
        tls={profile.name: profile for profile in table.children("tls", partial(read_profile, folder))},
        frontends=table.children("frontend", partial(read_frontend, folder)),
        backends={backend.name: backend for backend in table.children("backend", partial(read_backend, folder))},
        resolvers=table.child("resolvers", read_resolvers),
    )
    table.end()
    check_references(config, problems)
    if problems.found:
        raise ConfigError(problems.found)
    return config


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        raise _unusable("does not exist; -c names another file") from None
    except OSError as error:
        raise _unusable(f"cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unusable(f"is not UTF-8, as TOML has to be: byte 0x{data[error.start]:02x} at line {line}") from None


def _placed(reason: str, text: str) -> str:
    """Add line and column to an error at the end of the file; tomllib has them for all others."""
    lines = text.split("\n")
    end = f"at line {len(lines)}, column {len(lines[-1]) + 1}, the end of the file"
    return reason.replace("at end of document", end)


def _quotes(reason: str) -> str:
    """Return the hint for the most frequent invalid value: a string without quotes."""
    return "; a string is in quotes" if reason.startswith("Invalid value") else ""


def _unusable(message: str) -> ConfigError:
    return ConfigError([Problem("", message)])
