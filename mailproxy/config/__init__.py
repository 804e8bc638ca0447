"""
The configuration: TOML into frozen values, with every error at once and the path of its key.

`load` and `parse` read; ``model`` has the values and their defaults; a module for each table (``tls``, ``frontend``,
``backend``, ``document``) says what its keys take in terms of ``kind``, ``duration``, ``address``, ``network`` and
``tlv``; ``table`` asks for keys and notes problems; ``references`` compares the tables with each other.
"""

from mailproxy.config.load import DEFAULT_FILE, load, parse
from mailproxy.config.model import (
    Backend,
    BackendTimeouts,
    Bind,
    Check,
    Config,
    CustomTlv,
    Frontend,
    FrontendTimeouts,
    InetBind,
    InetServer,
    Log,
    NamedServer,
    Resolvers,
    Server,
    ServerAddress,
    ServerTls,
    SrvServer,
    TlsProfile,
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
