"""The process of the demo's own Dovecot 2.3, from the machine's package, with all its files in one folder."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.internet.task import LoopingCall, deferLater

from mailproxy.demo.dovecot_files import write_files
from mailproxy.demo.ports import SERVERS

START_SECONDS = 10.0
STOP_SECONDS = 5.0
PAUSE_SECONDS = 0.1
"""Between two looks at the process, and at its log."""

_PROGRAM = "/usr/sbin/dovecot"
_LIBRARY = Path("/usr/lib/dovecot")
_PACKAGES = {
    "imap": "dovecot-imapd",
    "pop3": "dovecot-pop3d",
    "lmtp": "dovecot-lmtpd",
    "submission": "dovecot-submissiond",
    "managesieve": "dovecot-managesieved",
}
"""Debian's packages, by the program in `_LIBRARY`."""

_REPORTED = re.compile(r": Info: Login: |: saved mail to |: (?:Warning|Error|Fatal): ")
"""The lines about clients' actions; checks have others."""


class DovecotError(Exception):
    """The reason why there is no usable Dovecot, in a sentence."""


def check_installed() -> None:
    """Raise `DovecotError` unless there is a Dovecot 2.3 with all five protocols."""
    missing = [package for program, package in _PACKAGES.items() if not (_LIBRARY / program).exists()]
    if missing:
        raise DovecotError(f"--dovecot needs Dovecot 2.3 with five protocols: apt-get install {' '.join(missing)}")
    version = subprocess.run([_PROGRAM, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not version.startswith("2.3."):
        raise DovecotError(f"--dovecot can configure Dovecot 2.3; {_PROGRAM} is {version or 'of no known version'}")


@contextmanager
def dovecot_folder() -> Iterator[Path]:
    """Make a folder with a short path that Dovecot's users can enter but not list, and remove it afterwards."""
    is_root = os.geteuid() == 0
    # Other users may not be able to enter root's folder for temporary files.
    path = Path(mkdtemp(prefix="mailproxy-dovecot-", dir="/tmp" if is_root else None))
    if is_root:
        path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Dovecot:
    """One Dovecot on its own address. All in one folder have the same mail."""

    def __init__(
        self,
        name: str,
        ports: Mapping[str, int],
        relay: int,
        folder: Path,
        reactor: Any,
        report: Callable[[str, str], None],
    ) -> None:
        """Serve at `ports`, by protocol, once it is started; `report` gets its name and the lines about clients."""
        self._name = name
        self._host = SERVERS[name]
        self._ports = ports
        base = folder / name
        self._reactor = reactor
        self._report = report
        self._configuration = write_files(name, base, folder / "mail", ports, relay)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (base / "log").open(errors="replace")
        self._reading = LoopingCall(self._read)
        self._reading.clock = reactor

    @property
    def is_up(self) -> bool:
        """Whether it runs: it was started and not killed since."""
        return self._process is not None

    async def start(self) -> None:
        """Start it, and wait until it listens; `DovecotError` with its reason if it does not."""
        command = [_PROGRAM, "-F", "-c", str(self._configuration)]
        # In its own session: Ctrl-C goes to the demo, which then stops it.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )
        for _ in range(round(START_SECONDS / PAUSE_SECONDS)):
            if process.poll() is not None or all(_listens(self._host, port) for port in self._ports.values()):
                break
            await deferLater(self._reactor, PAUSE_SECONDS)
        if process.poll() is not None:
            message = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise DovecotError(f"Dovecot does not start: {message.strip() or self._log.read().strip()}")
        self._process = process
        if not self._reading.running:
            self._reading.start(PAUSE_SECONDS)

    async def kill(self) -> None:
        """Stop it with all its sessions."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        for _ in range(round(STOP_SECONDS / PAUSE_SECONDS)):
            if process.poll() is not None:
                break
            await deferLater(self._reactor, PAUSE_SECONDS)
        else:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()

    def _read(self) -> None:
        """Report new lines of the log."""
        for line in self._log.read().splitlines():
            if _REPORTED.search(line):
                self._report(self._name, line)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0
