"""Reads ``[bans]``: banned addresses and networks, and where bans are kept."""

import os
from functools import partial
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from mailproxy.config.duration import duration
from mailproxy.config.key import Fields, about, about_table, read_keys
from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.model import NamedFile
from mailproxy.config.path import file_path
from mailproxy.config.table import Table
from mailproxy.config.words import quoted

_LIST_NEEDS = 'a file that lists networks, as in "@lists/drop.txt"'


def _list_file(text: str) -> str:
    if not text.startswith("@") or not text[1:] or not text.isprintable():
        raise WrongValue(f"is {quoted(text)}, needs {_LIST_NEEDS}")
    return text[1:]


_LIST_FILE: Kind[str] = Kind((str,), _LIST_NEEDS, _list_file, '`"@FILE"`', {"pattern": "^@."})


def _url(text: str) -> str:
    problem = WrongValue(f"is {quoted(text)}, needs {_URL_NEEDS}")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise problem
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise problem from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise problem
    if parts.username is not None:
        raise WrongValue("has a user in it; the key belongs in the file of key-file")
    return text.rstrip("/")


_URL_NEEDS = 'the address of the local API such as "http://127.0.0.1:8080"'
_URL: Kind[str] = Kind((str,), _URL_NEEDS, _url)
MIN_INTERVAL_SECONDS = 1
_INTERVAL = duration(at_most="1h")


@frozen(kw_only=True)
class CrowdSecSettings:
    """The local API of CrowdSec, ``[bans.crowdsec]``."""

    url: str = field(
        default="",
        metadata=about(_URL, "The address of the local API.", is_needed=True, values="URL"),
    )
    key_file: str = field(
        default="",
        metadata=about(
            file_path("the path of a file"),
            "The file with the key of the API in its only line, from `cscli bouncers add mailproxy`. It is read "
            "before each request.",
            is_needed=True,
            values="path",
        ),
    )
    interval: float = field(
        default=10.0,
        metadata=about(
            _INTERVAL,
            "The time between two requests, which is how late a decision may be in effect. The default is that of "
            "CrowdSec's own bouncers.",
        ),
    )


@frozen(kw_only=True)
class Bans:
    """Banned addresses and networks, and where bans are kept, ``[bans]``."""

    file: str | None = field(
        default=None,
        metadata=about(
            file_path("the path of a file"),
            "The file that keeps bans over restarts, such as `/var/lib/mailproxy/bans.json`. The user of the service "
            "needs the right to write in its folder, because the file is replaced as a whole. None: bans end with the "
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
            "after `#` or `;`; a `/8`, or a `/16` of IPv6, at most. They are checked for changes every `watch` "
            "seconds.",
            values="list",
            is_list=True,
        ),
    )

    crowdsec: CrowdSecSettings | None = field(
        default=None,
        metadata=about_table(
            Fields(CrowdSecSettings),
            "CrowdSec as a source of bans, [bans.md](bans.md#crowdsec).",
            default="none",
        ),
    )

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """The files with secrets."""
        one = self.crowdsec
        return () if one is None else (NamedFile("bans.crowdsec.key-file", one.key_file, "authorization"),)


def _read_crowdsec(folder: str, table: Table) -> CrowdSecSettings:
    settings = read_keys(table, CrowdSecSettings())
    if settings.interval < MIN_INTERVAL_SECONDS:
        table.report("interval", f'is {settings.interval:g} s, needs at least "{MIN_INTERVAL_SECONDS}s"')
    return evolve(settings, key_file=os.path.join(folder, settings.key_file))


def read_bans(folder: str, table: Table) -> Bans:
    """Read the table; relative paths start at `folder`."""
    bans = read_keys(table, Bans())
    return evolve(
        bans,
        file=None if bans.file is None else os.path.join(folder, bans.file),
        crowdsec=table.child_if_there("crowdsec", partial(_read_crowdsec, folder)),
        lists=tuple(os.path.join(folder, path) for path in bans.lists),
    )
