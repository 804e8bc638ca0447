"""Reads ``tls`` of servers: ``true``, or a table; that of ``default-server`` and a server's own are one, key by key."""

import os

from mailproxy.config.key import given_keys
from mailproxy.config.kind import Kind
from mailproxy.config.layers import Layer, Layers
from mailproxy.config.model import ServerTls
from mailproxy.config.place import ServerAddress, SrvServer, UnixServer
from mailproxy.config.table import Table

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
    """Refuse, in each table, what is for verifying where nothing is verified."""
    for so_far in tls.up_to_each():
        if so_far.value("verify", "required") == "none" and so_far.sound("verify"):
            for key in ("ca", "verify-name"):
                if key in so_far.last.values:
                    so_far.last.table.wrong(key, 'has no effect with verify = "none"; leave one of them out')


def judge_whole(tls: Layers, address: ServerAddress, table: Table) -> None:
    """Refuse a server whose certificate is to be verified and could be for anything; `table` is the server's."""
    if tls.value("verify", "required") == "none" or "verify-name" in tls:
        return
    if tls and not tls.sound("verify", "verify-name", "sni"):
        return
    if tls.value("sni", None) == "client":
        tls.wrong(
            "sni",
            'is "client", and what a client asks for says nothing about the server: it needs verify-name, the name in '
            "the server's certificate",
        )
    elif "sni" not in tls and isinstance(address, UnixServer | SrvServer):
        what = "SRV records that nobody has signed" if isinstance(address, SrvServer) else "a UNIX socket"
        table.wrong("tls", f"needs verify-name, the name in the server's certificate: its address is {what}")


def tls_in_effect(tls: Layers) -> ServerTls:
    """Make what the tables say together."""
    return ServerTls(**{key.replace("-", "_"): value for key, value in tls.values.items()})
