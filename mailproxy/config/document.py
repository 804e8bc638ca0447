"""Reads a whole configuration: the tables, each by its own module, and then what they say of each other."""

from collections.abc import Mapping
from functools import partial

from attrs import evolve

from mailproxy.config.backend import read_backend
from mailproxy.config.config import Config, Log
from mailproxy.config.frontend import read_frontend
from mailproxy.config.key import Fields, read_keys
from mailproxy.config.problems import ConfigError, Problems
from mailproxy.config.references import check_references
from mailproxy.config.resolvers import read_resolvers
from mailproxy.config.table import Table
from mailproxy.config.tables import elsewhere
from mailproxy.config.tls import read_profile


def read_document(values: Mapping[str, object], folder: str) -> Config:
    """Turn parsed TOML into a `Config`; relative paths start at `folder`. Raises `ConfigError` with every problem."""
    problems = Problems()
    table = Table("", values, problems, partial(elsewhere, Fields(Config)))
    table.later("admin", "is not in this version: there is no admin socket and no HTTP page yet")
    config = evolve(
        read_keys(table, Config(frontends=(), backends={})),
        log=table.child("log", _read_log),
        tls={profile.name: profile for profile in table.children("tls", partial(read_profile, folder))},
        frontends=table.children("frontend", read_frontend),
        backends={backend.name: backend for backend in table.children("backend", partial(read_backend, folder))},
        resolvers=table.child("resolvers", read_resolvers),
    )
    table.end()
    check_references(config, problems)
    if problems.found:
        raise ConfigError(problems.found)
    return config


def _read_log(table: Table) -> Log:
    return read_keys(table, Log())
