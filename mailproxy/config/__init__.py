"""
The configuration: TOML into frozen values, with every error at once and the path of its key.

`load` and `parse` read. ``model`` has the values, and what their keys take and mean; ``key`` is how its fields say so.
A module for each table (``tls``, ``frontend``, ``backend``, ``server``, ``server_tls``, ``check``, ``resolvers``,
``document``) reads it and checks its keys against each other. ``kind``, ``duration``, ``address``, ``hostname``,
``senders``, ``http``, ``format`` and ``tlv`` are the kinds of values, ``place`` the values of addresses. ``table``
asks for keys and notes problems; ``layers`` puts together tables that say the same things; ``references`` compares the
tables with each other. ``secret`` reads what is in a file of its own so that a configuration can be shown.
"""

from mailproxy.config.load import DEFAULT_FILE, load, parse
from mailproxy.config.model import (
    Backend,
    BackendTimeouts,
    Check,
    Config,
    CustomTlv,
    Frontend,
    FrontendTimeouts,
    Log,
    Resolvers,
    Server,
    ServerTls,
    TlsProfile,
)
from mailproxy.config.place import (
    Bind,
    InetBind,
    InetServer,
    NamedServer,
    ServerAddress,
    SrvServer,
    UnixBind,
    UnixServer,
)
from mailproxy.config.problems import ConfigError, Problem
from mailproxy.config.references import remarks

__all__ = [
    "DEFAULT_FILE",
    "Backend",
    "BackendTimeouts",
    "Bind",
    "Check",
    "Config",
    "ConfigError",
    "CustomTlv",
    "Frontend",
    "FrontendTimeouts",
    "InetBind",
    "InetServer",
    "Log",
    "NamedServer",
    "Problem",
    "Resolvers",
    "Server",
    "ServerAddress",
    "ServerTls",
    "SrvServer",
    "TlsProfile",
    "UnixBind",
    "UnixServer",
    "load",
    "parse",
    "remarks",
]
