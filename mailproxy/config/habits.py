"""What those write who know HAProxy's configuration, and what to write here instead."""

from collections.abc import Mapping

_SAID_BY_BACKEND = 'is for the backend to say: send-proxy = "v2", "v2-ssl" or "v2-ssl-cn" in [backend.NAME]'
_SAID_BY_FRONTEND = "is for the frontend to say: [frontend.NAME.timeout]"

KEYS: Mapping[str, str] = {
    "send-proxy-v2": _SAID_BY_BACKEND,
    "send-proxy-v2-ssl": _SAID_BY_BACKEND,
    "send-proxy-v2-ssl-cn": _SAID_BY_BACKEND,
    "send-proxy": _SAID_BY_BACKEND,
    "client": _SAID_BY_FRONTEND,
    "server": _SAID_BY_FRONTEND,
    "ssl": 'is tls here: "implicit" or "starttls" for a frontend, true or a table for a server',
    "mode": 'is the frontend\'s protocol here, such as protocol = "imap" or protocol = "tcp"',
}
"""Words of HAProxy's that are no keys where they stand, and what to do, to continue ``KEY: …``."""

VALUES: Mapping[str, str] = {
    "send-proxy": '"v2-ssl" is the usual one',
    "check": 'such as check = { type = "mail", inter = "2s" }',
}
"""What to write where the value of a key is of another type."""


def instead(key: str) -> str:
    """Return what continues ``KEY: is …, needs …`` for a key that is often written as in HAProxy; "" for others."""
    return f"; {VALUES[key]}" if key in VALUES else ""
