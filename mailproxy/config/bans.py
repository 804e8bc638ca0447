"""Reads ``[bans]``: where bans are kept."""

import os

from attrs import evolve, field, frozen

from mailproxy.config.key import about, read_keys
from mailproxy.config.path import file_path
from mailproxy.config.table import Table


@frozen(kw_only=True)
class Bans:
    """Where bans are kept, ``[bans]``."""

    file: str | None = field(
        default=None,
        metadata=about(
            file_path("the path of a file"),
            "The file that keeps bans over restarts, such as `/var/lib/mailproxy/bans.json`. The user of the service "
            "needs the right to write in its folder, since the file is replaced as a whole. None: bans end with the "
            "process.",
            default="none",
            values="path",
        ),
    )


def read_bans(folder: str, table: Table) -> Bans:
    """Read the table; relative paths start at `folder`."""
    bans = read_keys(table, Bans())
    return bans if bans.file is None else evolve(bans, file=os.path.join(folder, bans.file))
