"""
A throw-away Postfix that takes PROXY headers and keeps what it is sent in a maildir.

It runs from one short folder, configuration and queue included; a Postfix of the machine is not touched. Its master
process has to be started by root, as it runs its services as other users.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop import peers
from tests.interop.ports import free_port
from tests.interop.process import Process
from tests.interop.waiting import until

HOSTNAME = "backend.test"
DOMAIN = "postfix.test"  # whose mail it takes

_MASTER = "/usr/lib/postfix/sbin/master"
_MAIL_UID = 65534

_MAIN = """\
compatibility_level = 3.6
queue_directory = {base}/queue
data_directory = {base}/data
maillog_file = {base}/mail.log
maillog_file_prefixes = {base}
myhostname = {hostname}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
alias_maps =
smtpd_upstream_proxy_protocol = haproxy
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {base}/mail
virtual_mailbox_maps = static:inbox/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
{settings}
"""

_SERVICES = """\
127.0.0.1:{port} inet n - n - {service}
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n - 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


def need() -> None:
    """Skip the test without Postfix or without the right to start it; with CI=true, fail it."""
    peers.need(_MASTER)
    if os.geteuid() == 0:
        return
    message = "needs root to start Postfix"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


class Postfix:
    """A running Postfix: its port, its mail and its log."""

    def __init__(self, base: Path, settings: str = "", service: str = "- smtpd") -> None:
        """Start it in an empty folder with a short path; `settings` are more lines of main.cf, `service` is its own."""
        self.port = free_port()
        self._base = base
        base.chmod(0o755)
        for name in ("queue", "data", "mail"):
            (base / name).mkdir(mode=0o755)
        shutil.chown(base / "data", "postfix")
        os.chown(base / "mail", _MAIL_UID, _MAIL_UID)
        (base / "main.cf").write_text(
            _MAIN.format(base=base, hostname=HOSTNAME, domain=DOMAIN, uid=_MAIL_UID, settings=settings)
        )
        (base / "master.cf").write_text(_SERVICES.format(port=self.port, service=service))
        # Makes the queue's folders. What it warns of is in the log.
        subprocess.run([peers.path("postfix"), "-c", base, "check"], check=True, capture_output=True)
        self._process = Process([_MASTER, "-c", base], base, environment={"MAIL_CONFIG": str(base)})
        self._process.until_listening([self.port])

    def line(self, pattern: str) -> str:
        """The first log line that matches a regular expression, awaited."""
        log = self._base / "mail.log"

        def find() -> str | None:
            lines = log.read_text().splitlines() if log.exists() else []
            return next((line for line in lines if re.search(pattern, line)), None)

        return until(find, f"a Postfix log line matching {pattern!r}")

    def delivered(self, holds: Callable[[bytes], bool]) -> bytes:
        """A message for which `holds` is true, awaited."""

        def find() -> bytes | None:
            return next(filter(holds, (file.read_bytes() for file in self._base.glob("mail/inbox/new/*"))), None)

        return until(find, "a message delivered by Postfix")

    def close(self) -> None:
        """Stop it."""
        self._process.stop()
