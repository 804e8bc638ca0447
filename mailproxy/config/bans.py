"""Reads ``[bans]``: banned addresses and networks, and where bans are kept."""

import os

from attrs import evolve, field, frozen

from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import Kind, Wrong
from mailproxy.config.path import file_path
from mailproxy.config.table import Table
from mailproxy.config.words import quoted

_LIST_NEEDS = 'a file that lists networks, as in "@lists/drop.txt"'


def _list_file(text: str) -> str:
    if not text.startswith("@") or not text[1:] or not text.isprintable():
        raise Wrong(f"is {quoted(text)}, needs {_LIST_NEEDS}")
    return text[1:]


_LIST_FILE: Kind[str] = Kind((str,), _LIST_NEEDS, _list_file, '`"@FILE"`', {"pattern": "^@."})


@frozen(kw_only=True)
class Bans:
    """Banned addresses and networks, and where bans are kept, ``[bans]``."""

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
    lists: tuple[str, ...] = field(
        default=(),
        metadata=about(
            _LIST_FILE,
            'Files of banned networks, such as `"@/etc/mailproxy/drop.txt"`: a network or address a line, comments '
            "after `#` or `;`. They are checked for changes every `watch` seconds.",
            values="list",
            is_list=True,
        ),
    )


def read_bans(folder: str, table: Table) -> Bans:
    """Read the table; relative paths start at `folder`."""
    bans = read_keys(table, Bans())
    return evolve(
        bans,
        file=None if bans.file is None else os.path.join(folder, bans.file),
        lists=tuple(os.path.join(folder, path) for path in bans.lists),
    )
