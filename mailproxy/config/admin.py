"""Reads ``[admin]``: how a running service is asked and told things."""

from attrs import field, frozen

from mailproxy.config.address import SOCKET
from mailproxy.config.key import about, read_keys
from mailproxy.config.table import Table


@frozen
class Admin:
    """How a running service is asked and told things, ``[admin]``."""

    socket: str | None = field(
        default=None,
        metadata=about(
            SOCKET,
            "The UNIX socket for `mailproxy ctl`. Its mode is 0600, and only root and the user of the service are "
            "listened to. None unless it is named, since its folder has to be one where only these two can write.",
            haproxy="stats socket",
            values="path",
        ),
    )


def read_admin(table: Table) -> Admin:
    """Read the table."""
    table.later("http", "is not in this version: there is no HTTP page yet")
    return read_keys(table, Admin())
