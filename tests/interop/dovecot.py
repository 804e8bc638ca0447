"""
A throw-away Dovecot 2.3 with a PROXY protocol listener for each of its five protocols.

It runs from one short folder (its UNIX sockets are below it and their paths are limited), as root or as an ordinary
user, and nothing outside the folder is touched. Dovecot itself has no TLS unless it is given a certificate: whether a
login counts as secured is decided by the PROXY header alone. With a certificate it has STARTTLS, listens for TLS behind
the PROXY header, and for direct clients too, without a header.
"""

import getpass
import grp
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from .peers import path
from .ports import free_port, has_ipv6
from .process import Process
from .waiting import until

PROTOCOLS = ("imap", "pop3", "lmtp", "submission", "managesieve")
USER, PASSWORD = "alice", "secret"
CERTIFICATE_USER = "certalice"  # logs in by certificate only
HOSTNAME = "backend.test"

# "passwords": PLAIN and LOGIN, refused unless the header says TLS. "certificates": the certificate's common name is
# the user name, and SASL EXTERNAL is offered.
PROFILES = {
    "passwords": "auth_mechanisms = plain login\n",
    "certificates": "auth_mechanisms = plain login external\nauth_ssl_username_from_cert = yes\n",
    # Nobody logs in whose connection, which is that of the front, has no certificate of the authority's.
    "known-fronts": "auth_mechanisms = plain login\nauth_ssl_require_client_cert = yes\nssl_verify_client_cert = yes\n"
    "ssl_require_crl = no\nssl_ca = <{authority}\n",
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
"""

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
    ) -> None:
        """Start it in an empty folder with a short path; with a certificate it offers TLS of its own, also directly."""
        self.base = base
        self.ports = {protocol: free_port() for protocol in PROTOCOLS}
        self.tls_ports = {} if certificate is None else {protocol: free_port() for protocol in PROTOCOLS}
        """Where TLS begins behind the PROXY header."""
        self.direct_ports = {} if certificate is None else {protocol: free_port() for protocol in PROTOCOLS}
        self._log = base / "dovecot.log"
        self._log.touch(mode=0o666)
        configuration = _write_configuration(
            self, PROFILES[profile].format(authority=authority), relay_port, certificate
        )
        self._process = Process([path("dovecot"), "-F", "-c", configuration], base)
        self._process.until_listening([*self.ports.values(), *self.tls_ports.values(), *self.direct_ports.values()])

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def login(self, protocol: str, peer: tuple[str, int]) -> Mapping[str, str]:
        """The fields of the line that tells of a successful login from an address and port."""
        return self._fields(f"{protocol}-login: Info: Login: ", peer)

    def refused(self, protocol: str, peer: tuple[str, int]) -> Mapping[str, str]:
        """The fields of the line that tells of a connection that ended without a login."""
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
            messages = (file.read_bytes() for place in ("new", "cur") for file in (folder / place).glob("*"))
            return next(filter(holds, messages), None)

        return until(find, f"a message in {folder}")

    def close(self) -> None:
        """Stop it and all its sessions."""
        self._process.stop()

    def _fields(self, prefix: str, peer: tuple[str, int]) -> Mapping[str, str]:
        line = self.line(rf"{prefix}.* rip=<{re.escape(peer[0])}>, rport=<{peer[1]}>,")
        return dict(re.findall(r"(\w+)=<([^>]*)>", line))


def _write_configuration(dovecot: Dovecot, profile: str, relay_port: int, certificate: Path | None) -> Path:
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
        service = protocol if protocol == "lmtp" else f"{protocol}-login"
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
            listen="127.0.0.1, ::1" if has_ipv6() else "127.0.0.1",
            hostname=HOSTNAME,
            login_fields=_LOGIN_FIELDS,
            profile=profile,
            tls="ssl = no" if certificate is None else _TLS.format(certificate=certificate),
            mail_uid=mail_uid,
            mail_gid=mail_gid,
            relay_port=relay_port,
            **users,
        )
        + services
    )
    return configuration
