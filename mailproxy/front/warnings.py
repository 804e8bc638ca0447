"""What an administrator should know about a configuration that can be used."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from mailproxy import config
from mailproxy.config import remarks
from mailproxy.config.secret import secret_warnings
from mailproxy.front.descriptors import capacity_warnings
from mailproxy.front.files import Files
from mailproxy.front.log_targets import target_warnings
from mailproxy.front.writable import writable_warnings
from mailproxy.networks.breadth import list_breadth
from mailproxy.networks.network_set import NetworkSet
from mailproxy.tls.files import key_warnings, validity_warnings
from mailproxy.tls.policy import policy_warnings
from mailproxy.tls.server_files import server_file_warnings
from mailproxy.tls.trust_files import trust_warnings


def warnings_of(settings: config.Config, files: Files, now: datetime) -> tuple[str, ...]:
    """Return the warnings about a configuration and its files, at `now`: one line each; it reads files."""
    return (
        *validity_warnings(files.certificates, now),
        *map(str, files.complaints),
        *key_warnings(files.certificates),
        *trust_warnings(files.trusts, now),
        *policy_warnings(settings),
        *secret_warnings(settings),
        *server_file_warnings(files.server_files, now),
        *map(str, remarks(settings)),
        *capacity_warnings(settings),
        *target_warnings(settings),
        *writable_warnings(settings, files.certificates),
        *(f"{problem}; the previous list stays in use" for problem in files.unusable_lists),
        *_broad_lists(settings, files),
    )


def _broad_lists(settings: config.Config, files: Files) -> Iterator[str]:
    """Yield what is said of the lists of bans that are too many of all addresses."""
    exempt = NetworkSet.of(settings.limits.exempt)
    for read in files.lists:
        if read.path in settings.bans.lists and (problem := list_breadth(read.networks, exempt)):
            yield f"list {read.path} {problem}"
