"""
How the Python interpreter was built: an unoptimised one makes everything in Python slower by a quarter.

Builds by hand, such as pyenv's, lack profile-guided and link-time optimisation unless these are asked for. The
interpreters of Linux distributions have both, although Debian's does not say so in its flags.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Mapping

_WHERE = ("CONFIG_ARGS", "PY_CFLAGS", "PY_CFLAGS_NODIST", "PY_LDFLAGS_NODIST")

_SIGNS = ("--enable-optimizations", "--with-lto", "-fprofile-use", "-flto")

_OF_DISTRIBUTIONS = "/usr"


def is_optimised(flags: Mapping[str, object], prefix: str) -> bool:
    """Tell by the variables of `sysconfig` whether an interpreter in `prefix` was built with optimisation."""
    words = " ".join(str(flags.get(name, "")) for name in _WHERE)
    return prefix == _OF_DISTRIBUTIONS or any(sign in words for sign in _SIGNS)


def interpreter() -> str:
    """Return this interpreter's version, and that it is slow if it is."""
    version = platform.python_version()
    try:
        flags = sysconfig.get_config_vars()
    except ImportError:  # the service's user may not be able to read Python's modules
        return version
    if is_optimised(flags, sys.base_prefix):
        return version
    return f"{version} (slow: built without --enable-optimizations)"
