"""Reads ``[admin]``: how administrators reach a running service."""

import os
from ipaddress import ip_network
from typing import Literal, get_args

from attrs import evolve, field, frozen

from mailproxy.config.address import LISTEN, SOCKET
from mailproxy.config.hostname import HOST_NAME
from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import NAME, one_of
from mailproxy.config.model import NamedFile
from mailproxy.config.path import file_path
from mailproxy.config.place import InetBind, Network, UnixBind
from mailproxy.config.senders import NETWORK
from mailproxy.config.table import Table

TokenFor = Literal["changes", "all"]

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@frozen
class Admin:
    """How administrators reach a running service, ``[admin]``."""

    socket: str | None = field(
        default=None,
        metadata=about(
            SOCKET,
            "The UNIX socket for `mailproxy ctl`. Its mode is 0600, and only root and the user of the service may "
            "use it. None unless it is named, because its folder has to be one where only these two can write.",
            haproxy="stats socket",
            values="path",
        ),
    )
    http: InetBind | UnixBind | None = field(
        default=None,
        metadata=about(
            LISTEN,
            "Where HTTP is served: the page `/stats`, the commands as `/api/v1/…`, `/metrics` for Prometheus, "
            "`/livez` and `/readyz`; [admin-http.md](admin-http.md). None unless it is named. The umask decides who "
            "may connect to a UNIX socket.",
            haproxy=("stats enable", "stats uri"),
            values="address:port, path",
        ),
    )
    http_tls: str | None = field(
        default=None,
        metadata=about(
            NAME,
            "The `[tls.NAME]` for HTTP over TLS. None: HTTP is unencrypted, which is right on loopback and on UNIX "
            "sockets.",
            values="name",
        ),
    )
    http_token_file: str | None = field(
        default=None,
        metadata=about(
            file_path('the path of a file with one line, such as "/etc/mailproxy/http-token"'),
            "The file with the token that a request for a change needs (`Authorization: Bearer TOKEN`): one line of "
            "16 characters or more. Other users must not be able to read it. None: nothing can be changed over HTTP. "
            "A reload reads it again.",
            haproxy="stats auth",
            values="path",
        ),
    )
    http_token_for: TokenFor = field(
        default="changes",
        metadata=about(
            one_of(get_args(TokenFor)),
            'What needs the token: changes and `show config`, or `"all"` requests. Browsers and other clients may '
            "then also send it as the password of HTTP Basic, to look only.",
        ),
    )
    http_allow: tuple[Network, ...] = field(
        default=LOOPBACK,
        metadata=about(
            NETWORK,
            "The networks whose clients are served; others are closed at once. Clients of a UNIX socket are always "
            "served. The default is the machine itself.",
            values="list of networks",
            default="the loopback addresses",
            is_list=True,
        ),
    )
    http_names: tuple[str, ...] = field(
        default=(),
        metadata=about(
            HOST_NAME,
            "Names by which clients may ask for this service (the `Host` header), besides IP addresses, `localhost`, "
            "the machine's name and the names in the certificates of `http-tls`. Others are refused: a page of an "
            "attacker can have a name that leads to this machine (DNS rebinding).",
            values="list of host names",
            is_list=True,
        ),
    )

    @property
    def files(self) -> tuple[NamedFile, ...]:
        """The files to read before the start."""
        if self.http_token_file is None:
            return ()
        return (NamedFile("admin.http-token-file", self.http_token_file, "token"),)


def read_admin(folder: str, table: Table) -> Admin:
    """Read the table; relative paths start at `folder`."""
    admin = read_keys(table, Admin())
    if "http-allow" not in table:
        admin = evolve(admin, http_allow=LOOPBACK)
    if admin.http_token_file is not None:
        admin = evolve(admin, http_token_file=os.path.join(folder, admin.http_token_file))
    _check(admin, table)
    return admin


def _check(admin: Admin, table: Table) -> None:
    if admin.http is None:
        for key in ("http-tls", "http-token-file", "http-token-for", "http-allow", "http-names"):
            if key in table and table.is_sound("http"):
                table.report(key, 'has no effect without http; write http = "127.0.0.1:8404"')
        return
    if admin.http_token_for == "all" and admin.http_token_file is None and table.is_sound("http-token-file"):
        table.report("http-token-for", 'is "all", and there is no token; write http-token-file = "PATH"')
    if isinstance(admin.http, InetBind) and not admin.http_allow and table.is_sound("http-allow"):
        table.report("http-allow", "is an empty list, so nobody could connect; leave it out for the machine itself")
    if isinstance(admin.http, UnixBind) and "http-allow" in table:
        table.report("http-allow", "has no effect on a UNIX socket; the rights of its file decide")
