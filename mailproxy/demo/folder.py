"""The folder of the demo's files: a short path that other users cannot read or replace."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """
    Make the folder `name` among the temporary ones, mode 0700, and remove it afterwards.

    Files that a killed demo has left there are removed. If `name` belongs to another user, or is not a folder that only
    its owner can open, it stays, and the new folder's name gets some more letters.
    """
    path = Path(gettempdir()) / name
    if _is_ours(path):
        shutil.rmtree(path)
    try:
        # Fails if anything exists there, even a dangling symbolic link.
        path.mkdir(mode=0o700)
    except FileExistsError:
        path = Path(mkdtemp(prefix=f"{name}-"))
    try:
        yield path
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def _is_ours(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
