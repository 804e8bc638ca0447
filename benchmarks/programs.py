"""The programs that the measures need: what has to be installed, and the two that are compiled on the spot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).parent
_COMPILE = ("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra")

# Not in everybody's PATH, but where Debian has HAProxy.
_SYSTEM_PROGRAMS = "/usr/sbin"


class Missing(Exception):
    """Something that is not installed; the message names the Debian packages."""


def require() -> None:
    """Raise `Missing` unless everything that is needed is there."""
    packages = {"gcc": "gcc libc6-dev", "taskset": "util-linux", "haproxy": "haproxy"}
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PROGRAMS}"
    missing = [package for program, package in packages.items() if shutil.which(program, path=path) is None]
    if "gcc libc6-dev" not in missing and not _has_openssl_headers():
        missing.append("libssl-dev")
    if missing:
        raise Missing(f"missing for the benchmarks, install as root: apt-get install {' '.join(missing)}")


def _has_openssl_headers() -> bool:
    check = [*_COMPILE, "-fsyntax-only", "-include", "openssl/ssl.h", "-x", "c", os.devnull]
    return subprocess.run(check, stderr=subprocess.DEVNULL, check=False).returncode == 0


def compile_into(folder: Path) -> None:
    """Make ``load`` and ``backend`` in a folder."""
    for program, libraries in (("load", ("-lssl", "-lcrypto")), ("backend", ())):
        source = _SOURCE / f"{program}.c"
        subprocess.run([*_COMPILE, "-o", folder / program, source, *libraries], check=True)


def haproxy_version() -> str:
    """Return HAProxy's version and that of its OpenSSL, in words."""
    path = f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_PROGRAMS}"
    output = subprocess.run(
        ["haproxy", "-vv"], env=dict(os.environ, PATH=path), capture_output=True, text=True, check=True
    ).stdout
    first = output.split(" - ", 1)[0]
    libraries = [line.partition(": ")[2] for line in output.splitlines() if line.startswith("Running on OpenSSL")]
    return ", ".join([first, *libraries])
