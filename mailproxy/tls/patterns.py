"""Expands the entries of ``certificates`` into files and folders."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from glob import iglob
from itertools import islice

from mailproxy.tls.steps import Steps

STAPLE_SUFFIX = ".ocsp"
"""The suffix after a certificate's file name for its OCSP response."""

# About a millisecond's work.
_ENTRIES_PER_STEP = 500

_MAGIC = re.compile(r"[*?\[]")


def is_pattern(entry: str) -> bool:
    """Return whether an entry has wildcard characters."""
    return _MAGIC.search(entry) is not None


def nothing_there(entry: str) -> str:
    """Return the error for an entry without a match, as text after ``ENTRY: ``."""
    return "matches nothing that this user can see" if is_pattern(entry) else "does not exist"


def matches(entry: str) -> Steps[list[str]]:
    """
    Return the paths that an entry matches, sorted by name; many take several steps.

    A file whose name is the pattern itself comes first. OCSP responses that match are left out: they belong to the
    certificates beside them.
    """
    try:
        os.lstat(entry)
    except (FileNotFoundError, NotADirectoryError):
        if not is_pattern(entry):
            return []
    except OSError:
        return [os.path.normpath(entry)]  # it exists, or reading it reports the reason
    else:
        return [os.path.normpath(entry)]
    found: set[str] = set()
    names = _names(entry)
    while some := list(islice(names, _ENTRIES_PER_STEP)):
        found.update(os.path.normpath(name) for name in some if not name.endswith(STAPLE_SUFFIX))
        yield
    return sorted(found)


def _names(pattern: str) -> Iterator[str]:
    """Yield the matching names; in a single folder one by one, because `iglob` lists a whole folder at once."""
    folder, last = os.path.split(pattern)
    if is_pattern(folder) or not last or last == "**" or not folder:
        return iglob(pattern, recursive=True)
    return _names_in(folder, last)


def _names_in(folder: str, pattern: str) -> Iterator[str]:
    fits = re.compile(fnmatch.translate(pattern)).match
    shows_hidden = pattern.startswith(".")
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if fits(entry.name) and (shows_hidden or not entry.name.startswith(".")):
                    yield entry.path
    except OSError:
        return
