"""The programs these tests need and the Debian packages that bring them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES: dict[str, str] = {
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/pop3": "dovecot-pop3d",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
    "/usr/lib/dovecot/submission": "dovecot-submissiond",
    "/usr/lib/dovecot/managesieve": "dovecot-managesieved",
    "haproxy": "haproxy",
    "curl": "curl",
    "openssl": "openssl",
    "fetchmail": "fetchmail",
    "mbsync": "isync",
    "msmtp": "msmtp",
    "swaks": "swaks",
    "Net::SSLeay": "libnet-ssleay-perl",  # without it swaks has no TLS
    "testssl": "testssl.sh",
    "chromium": "chromium",
    "fail2ban-regex": "fail2ban",
    "/usr/lib/postfix/sbin/master": "postfix",
    "promtool": "prometheus",
    "prometheus": "prometheus",
}
DOVECOT = tuple(program for program in PACKAGES if program.startswith("/usr/lib/dovecot/"))

# Debian keeps servers in /usr/sbin, which is not on an ordinary user's PATH.
SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin"))


def find(program: str) -> str | None:
    """The full path of an installed program, or None; for a Perl module it is perl's."""
    if "::" not in program:
        return shutil.which(program, path=SEARCH_PATH)
    perl = shutil.which("perl", path=SEARCH_PATH)
    found = perl is not None and subprocess.run([perl, f"-M{program}", "-e1"], capture_output=True).returncode == 0
    return perl if found else None


def need(*programs: str) -> None:
    """Skip the test when a program is missing; with CI=true fail it."""
    missing = sorted({PACKAGES[program] for program in programs if find(program) is None})
    if not missing:
        return
    message = f"needs the Debian packages: {' '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def path(program: str) -> Path:
    """The full path of a program that `need` has found."""
    found = find(program)
    assert found is not None, f"{program} is not installed"
    return Path(found)
