"""Reads ``tls`` of servers, ``true`` or a table, and merges ``default-server``'s and a server's own, key by key."""

import os
from typing import get_args

from attrs import field, frozen

from mailproxy.config.hostname import HOST_NAME, HOST_OR_ADDRESS
from mailproxy.config.key import about, given_keys
from mailproxy.config.kind import Kind, one_of
from mailproxy.config.layers import Layer, Layers
from mailproxy.config.model import TlsVersion, Verify
from mailproxy.config.path import file_path
from mailproxy.config.place import ServerAddress, SrvServer, UnixServer
from mailproxy.config.table import Table

_SNI: Kind[str] = Kind(
    (str,),
    'a host name such as "mail.example.org", or "client" for the one that the client asked for',
    lambda value: value if value == "client" else HOST_NAME.read(value),
)


@frozen(kw_only=True)
class ServerTls:
    """TLS with a server, ``tls`` of a server; paths are absolute."""

    verify: Verify = field(
        default="required",
        metadata=about(
            one_of(get_args(Verify)),
            'Whether the server\'s certificate is verified. With `"none"` the passwords of all users go to any '
            "machine that answers at its address.",
            haproxy="verify",
        ),
    )
    ca: str | None = field(
        default=None,
        metadata=about(
            file_path('a PEM file such as "/etc/ssl/backends.pem"'),
            "The PEM file of the authorities to verify it with.",
            values="file",
            default="the system's",
            haproxy="ca-file",
        ),
    )
    verify_name: str | None = field(
        default=None,
        metadata=about(
            HOST_OR_ADDRESS,
            "The name that the certificate must have. By default `sni` if that is a name, or else the host name or "
            "IP address in `address`. Needed for UNIX sockets and `srv:` addresses, which have no trusted name.",
            values="host name or IP address",
            default="see right",
            haproxy="verifyhost",
        ),
    )
    sni: str | None = field(
        default=None,
        metadata=about(
            _SNI,
            'The server name to send (SNI). By default `verify-name` or the host name in `address`. `"client"`: the '
            "name that the client asked for, which Dovecot uses for `local_name`; needs `verify-name`, because a "
            "client must not choose which server is trusted.",
            values='host name, `"client"`',
            default="see right",
            haproxy="sni",
        ),
    )
    certificate: str | None = field(
        default=None,
        metadata=about(
            file_path('a PEM file with certificate and key such as "/etc/ssl/mailproxy.pem"'),
            "A PEM file with certificate, chain and key, for servers that ask for a certificate.",
            values="file",
            haproxy="crt",
        ),
    )
    min_version: TlsVersion = field(
        default="1.2",
        metadata=about(
            one_of(get_args(TlsVersion)),
            "The oldest TLS version.",
            haproxy="ssl-min-ver",
        ),
    )


FILES = ("ca", "certificate")

SWITCH: Kind[bool] = Kind((bool,), "true, false or a table such as { ca = FILE }", lambda value: value)


def read_tls(folder: str, table: Table) -> Layer:
    """Read one table; relative paths start at `folder`."""
    values = given_keys(table, ServerTls)
    for key in FILES:
        if key in values:
            values[key] = os.path.join(folder, values[key])
    return Layer(table, values)


def judge_tables(tls: Layers) -> None:
    """Refuse, in each table, keys for verification without verification."""
    for so_far in tls.up_to_each():
        if so_far.value("verify", "required") == "none" and so_far.is_sound("verify"):
            for key in ("ca", "verify-name"):
                if key in so_far.last.values:
                    so_far.last.table.report(key, 'has no effect with verify = "none"; leave one of them out')


def judge_whole(tls: Layers, address: ServerAddress, table: Table) -> None:
    """Refuse a server whose certificate would be verified without a name; `table` is the server's."""
    if tls.value("verify", "required") == "none" or "verify-name" in tls:
        return
    if tls and not tls.is_sound("verify", "verify-name", "sni"):
        return
    if tls.value("sni", None) == "client":
        tls.report(
            "sni",
            'is "client", and what a client asks for says nothing about the server: it needs verify-name, the name in '
            "the server's certificate",
        )
    elif "sni" not in tls and isinstance(address, UnixServer | SrvServer):
        what = "unsigned SRV records" if isinstance(address, SrvServer) else "a UNIX socket"
        table.report("tls", f"needs verify-name, the name in the server's certificate: its address is {what}")


def tls_in_effect(tls: Layers) -> ServerTls:
    """Make the merged settings."""
    return ServerTls(**{key.replace("-", "_"): value for key, value in tls.values.items()})
