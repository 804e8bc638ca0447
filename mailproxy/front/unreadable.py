"""Keys that were read with more rights than the process has now: they cannot be read again when they are renewed."""

from __future__ import annotations

import os
from collections.abc import Iterator

from mailproxy.config.words import key_path
from mailproxy.tls.pem import UnusableCertificate
from mailproxy.tls.source import key_file
from mailproxy.tls.store import Certificates


def unreadable_warnings(certificates: Certificates) -> Iterator[str]:
    """Find the certificates whose keys this process cannot read."""
    for profile, found in certificates.items():
        for certificate in found:
            problem = _problem(certificate.path)
            if problem is not None:
                yield (
                    f"{key_path('tls', profile, 'certificates')}: {certificate.path}: this process cannot read its key "
                    f"any more ({problem}): it is not renewed before a restart; let the group of the user read it, or "
                    "take workers"
                )


def _problem(path: str) -> str | None:
    try:
        os.close(os.open(key_file(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except PermissionError as error:
        return error.strerror
    except (OSError, UnusableCertificate):
        return None  # it has just changed: what becomes of that is reported when it is looked at
    return None
