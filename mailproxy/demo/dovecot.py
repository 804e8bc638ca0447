"""The demo's own Dovecot 2.3, from the machine's package, with all its files in one folder."""

from __future__ import annotations

import grp
import os
import pwd
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

from mailproxy.demo.account import PASSWORD, USER, WELCOME
from mailproxy.demo.ports import FRONT, SERVERS

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

_MAIL_UID = 65534
"""The owner of the mail if the demo is run by root, whose mail Dovecot does not serve."""

_TELLING = re.compile(r": Info: Login: |: saved mail to |: (?:Warning|Error|Fatal): ")
"""The lines about clients' actions; checks have others."""

_CONFIGURATION = """\
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/log
log_timestamp =
instance_name = mailproxy-demo-{name}
protocols = imap pop3 lmtp submission sieve
listen = {host}
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{mail}/%u
auth_username_format = %n
hostname = localhost
shutdown_clients = yes

# What makes it one behind mailproxy: no TLS of its own, passwords only where the PROXY header says that TLS was there.
haproxy_trusted_networks = {front}
ssl = no
disable_plaintext_auth = yes

passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {base}/passwd
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={mail}/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
plugin {{
  sieve = file:{mail}/%u/sieve;active={mail}/%u/.dovecot.sieve
}}
submission_relay_host = {front}
submission_relay_port = {relay}
submission_relay_ssl = no
service lmtp {{
  user = {lmtp}
}}
"""

_LISTENER = """\
service {service} {{
  chroot =
  inet_listener {name} {{
    port = 0
  }}
  inet_listener {name}s {{
    port = 0
  }}
  inet_listener {name}-behind-mailproxy {{
    port = {port}
    haproxy = yes
  }}
}}
"""


_IN_A_CHROOT = ("anvil", "stats", "imap-urlauth-login")
"""Dovecot's services that would change their root, which is useless here."""

_AS_MYSELF = ("imap", "pop3", "submission", "managesieve", "auth", "auth-worker", "indexer-worker", "dict", "doveadm")
"""Dovecot's services that would change the user, which only root can."""


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
        tell: Callable[[str, str], None],
    ) -> None:
        """Serve at `ports`, by protocol, once it is started; `tell` gets its name and its log's lines about clients."""
        self._name = name
        self._host = SERVERS[name]
        self._ports = ports
        self._base = folder / name
        self._mail = folder / "mail"
        self._reactor = reactor
        self._tell = tell
        self._configuration = self._write(relay)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = (self._base / "log").open(errors="replace")
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
            said = process.stderr.read().decode(errors="replace") if process.stderr else ""
            raise DovecotError(f"Dovecot does not start: {said.strip() or self._log.read().strip()}")
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
            if _TELLING.search(line):
                self._tell(self._name, line)

    def _write(self, relay: int) -> Path:
        base, me = self._base, pwd.getpwuid(os.geteuid())
        for path in (base, base / "run", base / "state"):
            path.mkdir()
        (base / "log").touch(mode=0o600)
        (base / "passwd").write_text(f"{USER}:{{plain}}{PASSWORD}\n")
        is_root = me.pw_uid == 0
        uid, gid = (_MAIL_UID, _MAIL_UID) if is_root else (me.pw_uid, os.getegid())
        self._write_mail(uid, gid)
        group = grp.getgrgid(gid).gr_name
        names = ("dovecot", "dovecot", "dovenull", "root") if is_root else (me.pw_name, group, me.pw_name, me.pw_name)
        path = base / "dovecot.conf"
        text = _CONFIGURATION.format(
            base=base,
            name=self._name,
            host=self._host,
            front=FRONT,
            mail=self._mail,
            uid=uid,
            gid=gid,
            relay=relay,
            **dict(zip(("internal", "group", "login", "lmtp"), names, strict=True)),
        )
        text += "".join(map(self._listener, self._ports))
        text += "".join(f"service {name} {{\n  chroot =\n}}\n" for name in _IN_A_CHROOT)
        if not is_root:
            text += "".join(f"service {name} {{\n  user = {me.pw_name}\n}}\n" for name in _AS_MYSELF)
        path.write_text(text)
        return path

    def _listener(self, protocol: str) -> str:
        service = protocol if protocol == "lmtp" else f"{protocol}-login"
        name = "sieve" if protocol == "managesieve" else protocol
        return _LISTENER.format(service=service, name=name, port=self._ports[protocol])

    def _write_mail(self, uid: int, gid: int) -> None:
        if self._mail.exists():
            return
        inbox = self._mail / USER
        for path in (self._mail, inbox, *(inbox / name for name in ("new", "cur", "tmp"))):
            path.mkdir(mode=0o700)
        (inbox / "new" / "1.welcome").write_bytes(WELCOME)
        if os.geteuid() == 0:
            for path in (self._mail, *self._mail.rglob("*")):
                os.chown(path, uid, gid)


def _listens(host: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0
