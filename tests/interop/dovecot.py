"""
A temporary Dovecot 2.3 with a PROXY protocol listener for each of its five protocols.

It can be killed, stopped, continued and started again, and its authentication process can be made to fail.

It runs from one short folder (its UNIX sockets are below it and their paths are limited), as root or as an ordinary
user, and nothing outside the folder is touched. Dovecot itself has no TLS unless it is given a certificate: whether a
login counts as secured is decided by the PROXY header alone. With a certificate it has STARTTLS, listens for TLS behind
the PROXY header, and for direct clients too, without a header.
"""

import contextlib
import getpass
import grp
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.interop.peers import path
from tests.interop.ports import free_port, has_ipv6, is_listening
from tests.interop.process import Process
from tests.interop.waiting import until

PROTOCOLS = ("imap", "pop3", "lmtp", "submission", "managesieve")
USER, PASSWORD = "alice", "secret"
CERTIFICATE_USER = "certalice"  # logs in by certificate only
HOSTNAME = "backend.test"
API_KEY = "doveadm-api-key"

# "passwords": PLAIN and LOGIN, refused unless the header says TLS. "certificates": the certificate's common name is
# the user name, and SASL EXTERNAL is offered. "half-broken": as "passwords", but nobody can be asked for
# those whose password is not known.
PROFILES = {
    "passwords": "auth_mechanisms = plain login\n",
    "certificates": "auth_mechanisms = plain login external\nauth_ssl_username_from_cert = yes\n",
    # Nobody logs in whose connection, which is that of the front, has no certificate of the authority's.
    "known-fronts": "auth_mechanisms = plain login\nauth_ssl_require_client_cert = yes\nssl_verify_client_cert = yes\n"
    "ssl_require_crl = no\nssl_ca = <{authority}\n",
    # No STARTTLS for clients that connect to one address.
    "local": "auth_mechanisms = plain\nlocal 127.0.0.9 {{\n  ssl = no\n}}\n",
    "half-broken": """\
auth_mechanisms = plain login
passdb {{
  driver = checkpassword
  args = /bin/sh -c "exit 111"
}}
""",
}

_MAIL_UID = 65534  # owner of the mail when Dovecot is started by root

# Every value Dovecot believes about a connection, in a form that is easy to take apart.
_LOGIN_FIELDS = " ".join(
    f"{name}=<{variable}>"
    for name, variable in {
        "user": "%u",
        "method": "%m",
        "rip": "%r",
        "rport": "%{rport}",
        "lip": "%l",
        "lport": "%{lport}",
        "real_rip": "%{real_rip}",
        "secured": "%c",
        "auth_secured": "%{passdb:x_secured}",
        "local_name": "%{local_name}",
    }.items()
)

_CONFIGURATION = """\
base_dir = {base}/run
state_dir = {base}/state
log_path = {base}/dovecot.log
instance_name = interop
protocols = imap pop3 lmtp submission sieve
listen = {listen}
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{base}/mail/%u
hostname = {hostname}
postmaster_address = postmaster@{hostname}
shutdown_clients = yes
version_ignore = yes
{tls}
disable_plaintext_auth = yes
auth_failure_delay = 0
auth_verbose = yes
haproxy_trusted_networks = 127.0.0.0/8 ::1
login_log_format_elements = {login_fields}
login_log_format = %$: %s
{profile}
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {base}/passwd
  default_fields = x_secured=%{{secured}}
}}
userdb {{
  driver = static
  args = uid={mail_uid} gid={mail_gid} home={base}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
plugin {{
  sieve = file:{base}/mail/%u/sieve;active={base}/mail/%u/.dovecot.sieve
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay_port}
submission_relay_ssl = no
service lmtp {{
  user = {lmtp_user}
}}
service auth {{
  executable = {base}/auth
}}
service doveadm {{
  inet_listener http {{
    port = {doveadm_port}
  }}
}}
doveadm_api_key = {api_key}
"""

_AUTH = '#!/bin/sh\nexec /usr/lib/dovecot/auth "$@"\n'
_BROKEN_AUTH = "#!/bin/sh\nexit 1\n"

# What an administrator has whose Dovecot served clients directly before.
_TLS = "ssl = yes\nssl_cert = <{certificate}\nssl_key = <{certificate}"

_LISTENER = """\
service {service} {{
  chroot =
  inet_listener {name} {{
    port = {direct_port}
  }}
  inet_listener {name}s {{
    port = 0
  }}
  inet_listener {name}-haproxy {{
    port = {port}
    haproxy = yes
  }}
  inet_listener {name}s-haproxy {{
    port = {tls_port}
    haproxy = yes
    ssl = yes
  }}
}}
"""


class Dovecot:
    """A running Dovecot: its ports by protocol, its mail folders and its log."""

    def __init__(
        self,
        base: Path,
        profile: str,
        relay_port: int,
        certificate: Path | None = None,
        authority: Path | None = None,
        *,
        host: str | None = None,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        """
        Start it in an empty folder with a short path; with a certificate it offers TLS of its own, also directly.

        It listens on both loopback addresses, or on one IPv4 `host`; on free ports, unless `ports` has them.
        """
        self.base = base
        self.ports = dict(ports or {protocol: free_port() for protocol in PROTOCOLS})
        self.tls_ports = {} if certificate is None else {protocol: free_port() for protocol in PROTOCOLS}
        """Where TLS begins behind the PROXY header."""
        self.direct_ports = {} if certificate is None else {protocol: free_port() for protocol in PROTOCOLS}
        self.doveadm_port = free_port()
        self.host = host or "127.0.0.1"
        self._only_host = host
        self._log = base / "dovecot.log"
        self._log.touch(mode=0o666)
        self._write_auth(_AUTH)
        listen = host or ("127.0.0.1, ::1" if has_ipv6() else "127.0.0.1")
        self._configuration = _write_configuration(
            self, PROFILES[profile].format(authority=authority), listen, relay_port, certificate
        )
        self._process = self._started()
        self._is_paused = False

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def login(self, protocol: str, peer: tuple[str, int]) -> Mapping[str, str]:
        """The fields of the log line for a successful login from an address and port."""
        return self._fields(f"{protocol}-login: Info: Login: ", peer)

    def refused(self, protocol: str, peer: tuple[str, int]) -> Mapping[str, str]:
        """The fields of the log line for a connection that ended without a login."""
        return self._fields(f"{protocol}-login: Info: (?:Aborted login|Disconnected)", peer)

    def line(self, pattern: str) -> str:
        """The first log line that matches a regular expression, awaited."""

        def find() -> str | None:
            return next((line for line in self.log.splitlines() if re.search(pattern, line)), None)

        try:
            return until(find, f"a Dovecot log line matching {pattern!r}")
        except AssertionError as error:
            raise AssertionError(f"{error} in\n{self.log[-3000:]}") from None

    def delivered(self, user: str, holds: Callable[[bytes], bool]) -> bytes:
        """A message in a user's inbox for which `holds` is true, awaited."""
        folder = self.base / "mail" / user

        def find() -> bytes | None:
            for file in (file for place in ("new", "cur") for file in (folder / place).glob("*")):
                with contextlib.suppress(FileNotFoundError):  # a client has just looked at it: it has another name now
                    if holds(message := file.read_bytes()):
                        return message
            return None

        return until(find, f"a message in {folder}")

    def kill(self) -> None:
        """Kill it and all its sessions, as if the machine had lost its power."""
        for pid in self._signal_family(signal.SIGSTOP):  # so that none has more children
            with contextlib.suppress(ProcessLookupError):  # it was ending, and its parent saw that before it stopped
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._until_deaf(self.ports.values())

    def start(self) -> None:
        """Start it again on the same ports, after it was killed."""
        self._process = self._started()

    def restart(self) -> None:
        """Stop it and all its sessions, and start it again on the same ports."""
        self._process.stop()
        self._process = self._started()

    def pause(self) -> None:
        """Stop all its processes; the kernel still accepts connections for it."""
        self._is_paused = True
        self._signal_family(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue its processes after `pause`."""
        self._signal_family(signal.SIGCONT)
        self._is_paused = False

    def break_auth(self) -> None:
        """Kill its authentication process, and prevent a new one."""
        self._write_auth(_BROKEN_AUTH)
        self._control("service", "stop", "auth")
        self._control("reload")

    def mend_auth(self) -> None:
        """Allow a new authentication process, at once."""
        self._write_auth(_AUTH)
        self._control("reload")  # it would be waited for up to a minute

    def stop_listening(self, protocol: str) -> None:
        """Stop the service of one protocol."""
        self._control("service", "stop", _service(protocol))
        self._until_deaf([self.ports[protocol]])

    def listen_again(self) -> None:
        """Start the services that were stopped."""
        self._control("reload")
        self._process.until_listening(self.ports.values(), self._only_host)

    def close(self) -> None:
        """Stop it and all its sessions."""
        if self._is_paused and self._process.is_alive:
            self.resume()  # what is stopped does not end
        self._process.stop()

    def _started(self) -> Process:
        process = Process([path("dovecot"), "-F", "-c", self._configuration], self.base)
        ports = (*self.ports.values(), *self.tls_ports.values(), *self.direct_ports.values())
        process.until_listening(ports, self._only_host)
        return process

    def _signal_family(self, number: signal.Signals) -> list[int]:
        """Send a signal to the master and all its children, including those that start meanwhile."""
        signalled: list[int] = []
        while new := [pid for pid in self._process.family() if pid not in signalled]:
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            signalled += new
        return signalled

    def _control(self, *arguments: str) -> None:
        subprocess.run([path("doveadm"), "-c", self._configuration, *arguments], check=True, capture_output=True)

    def _write_auth(self, script: str) -> None:
        executable = self.base / "auth"
        new = self.base / "auth.new"
        new.write_text(script)
        new.chmod(0o755)
        new.replace(executable)  # one that runs cannot be written to

    def _until_deaf(self, ports: Iterable[int]) -> None:
        until(lambda: not any(is_listening(port, self._only_host) for port in ports), "listeners to be gone")

    def _fields(self, prefix: str, peer: tuple[str, int]) -> Mapping[str, str]:
        line = self.line(rf"{prefix}.* rip=<{re.escape(peer[0])}>, rport=<{peer[1]}>,")
        return dict(re.findall(r"(\w+)=<([^>]*)>", line))


def _service(protocol: str) -> str:
    return protocol if protocol == "lmtp" else f"{protocol}-login"


def _write_configuration(
    dovecot: Dovecot, profile: str, listen: str, relay_port: int, certificate: Path | None
) -> Path:
    base = dovecot.base
    for name in ("run", "state", "mail"):
        (base / name).mkdir()
    (base / "passwd").write_text(f"{USER}:{{plain}}{PASSWORD}\n{CERTIFICATE_USER}:::::::nopassword\n")
    if os.geteuid() == 0:
        base.chmod(0o755)
        os.chown(base / "mail", _MAIL_UID, _MAIL_UID)
        users = {"internal_user": "dovecot", "internal_group": "dovecot", "login_user": "dovenull", "lmtp_user": "root"}
        mail_uid, mail_gid, services = _MAIL_UID, _MAIL_UID, ""
    else:
        me, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
        users = {"internal_user": me, "internal_group": group, "login_user": me, "lmtp_user": me}
        mail_uid, mail_gid = os.geteuid(), os.getegid()
        services = "".join(
            f"service {name} {{\n  user = {me}\n}}\n"
            for name in (
                *("imap", "pop3", "submission", "managesieve"),
                *("auth", "auth-worker", "indexer-worker", "dict", "doveadm"),
            )
        )
    for name in ("anvil", "stats", "imap-urlauth-login"):
        services += f"service {name} {{\n  chroot =\n}}\n"
    for protocol, port in dovecot.ports.items():
        service = _service(protocol)
        name = "sieve" if protocol == "managesieve" else protocol
        services += _LISTENER.format(
            service=service,
            name=name,
            port=port,
            tls_port=dovecot.tls_ports.get(protocol, 0),
            direct_port=dovecot.direct_ports.get(protocol, 0),
        )
    configuration = base / "dovecot.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            base=base,
            listen=listen,
            hostname=HOSTNAME,
            login_fields=_LOGIN_FIELDS,
            profile=profile,
            tls="ssl = no" if certificate is None else _TLS.format(certificate=certificate),
            mail_uid=mail_uid,
            mail_gid=mail_gid,
            relay_port=relay_port,
            doveadm_port=dovecot.doveadm_port,
            api_key=API_KEY,
            **users,
        )
        + services
    )
    return configuration
