"""The files of the demo's own Dovecot 2.3: its configuration, the account, and the first mail."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from mailproxy.demo.account import PASSWORD, USER, WELCOME
from mailproxy.demo.ports import FRONT, SERVERS

_MAIL_UID = 65534
"""The owner of the mail if the demo is run by root, whose mail Dovecot does not serve."""

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


def write_files(name: str, base: Path, mail: Path, ports: Mapping[str, int], relay: int) -> Path:
    """Write the configuration of a server and its first mail, unless that is there; return the configuration."""
    me = pwd.getpwuid(os.geteuid())
    for path in (base, base / "run", base / "state"):
        path.mkdir()
    (base / "log").touch(mode=0o600)
    (base / "passwd").write_text(f"{USER}:{{plain}}{PASSWORD}\n")
    is_root = me.pw_uid == 0
    uid, gid = (_MAIL_UID, _MAIL_UID) if is_root else (me.pw_uid, os.getegid())
    _write_mail(mail, uid, gid)
    group = grp.getgrgid(gid).gr_name
    names = ("dovecot", "dovecot", "dovenull", "root") if is_root else (me.pw_name, group, me.pw_name, me.pw_name)
    path = base / "dovecot.conf"
    text = _CONFIGURATION.format(
        base=base,
        name=name,
        host=SERVERS[name],
        front=FRONT,
        mail=mail,
        uid=uid,
        gid=gid,
        relay=relay,
        **dict(zip(("internal", "group", "login", "lmtp"), names, strict=True)),
    )
    text += "".join(_listener(protocol, port) for protocol, port in ports.items())
    text += "".join(f"service {one} {{\n  chroot =\n}}\n" for one in _IN_A_CHROOT)
    if not is_root:
        text += "".join(f"service {one} {{\n  user = {me.pw_name}\n}}\n" for one in _AS_MYSELF)
    path.write_text(text)
    return path


def _listener(protocol: str, port: int) -> str:
    service = protocol if protocol == "lmtp" else f"{protocol}-login"
    name = "sieve" if protocol == "managesieve" else protocol
    return _LISTENER.format(service=service, name=name, port=port)


def _write_mail(mail: Path, uid: int, gid: int) -> None:
    if mail.exists():
        return
    inbox = mail / USER
    for path in (mail, inbox, *(inbox / name for name in ("new", "cur", "tmp"))):
        path.mkdir(mode=0o700)
    (inbox / "new" / "1.welcome").write_bytes(WELCOME)
    if os.geteuid() == 0:
        for path in (mail, *mail.rglob("*")):
            os.chown(path, uid, gid)
