"""What the entries of ``certificates`` stand for: files and folders, by name or by pattern."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from glob import iglob
from itertools import islice

from mailproxy.tls.steps import Steps

STAPLE_SUFFIX = ".ocsp"
"""What is appended to a certificate's file for the name of its OCSP response."""

# About a millisecond's work.
_ENTRIES_PER_STEP = 500

_MAGIC = re.compile(r"[*?\[]")


def is_pattern(entry: str) -> bool:
    """Tell whether an entry has characters that stand for others."""
    return _MAGIC.search(entry) is not None


def nothing_there(entry: str) -> str:
    """Say that an entry stands for nothing, to continue ``ENTRY: …``."""
    return "matches nothing that this user can see" if is_pattern(entry) else "does not exist"


def matches(entry: str) -> Steps[list[str]]:
    """
    Return what an entry stands for, in the order of the alphabet, after many steps if that is much.

    A file that has the pattern for a name comes first. OCSP responses that a pattern matches are left out: they belong
    to the certificates beside them.
    """
    try:
        os.lstat(entry)
    except (FileNotFoundError, NotADirectoryError):
        if not is_pattern(entry):
            return []
    except OSError:
        return [os.path.normpath(entry)]  # it is there, or reading it will tell why that cannot be seen
    else:
        return [os.path.normpath(entry)]
    found: set[str] = set()
    names = _names(entry)
    while some := list(islice(names, _ENTRIES_PER_STEP)):
        found.update(os.path.normpath(name) for name in some if not name.endswith(STAPLE_SUFFIX))
        yield
    return sorted(found)


def _names(pattern: str) -> Iterator[str]:
    """Find the names, one by one if all are in one folder: `iglob` lists a folder in one go."""
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
