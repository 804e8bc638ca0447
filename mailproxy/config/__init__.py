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
    Config,
    CustomTlv,
    Frontend,
    FrontendTimeouts,
    InetBind,
    InetServer,
    Log,
    Server,
    ServerAddress,
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
    "Config",
    "ConfigError",
    "CustomTlv",
    "Frontend",
    "FrontendTimeouts",
    "InetBind",
    "InetServer",
    "Log",
    "Problem",
    "Server",
    "ServerAddress",
    "TlsProfile",
    "UnixBind",
    "UnixServer",
    "load",
    "parse",
    "remarks",
]
