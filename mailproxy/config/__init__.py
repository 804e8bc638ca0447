"""
The configuration: TOML into frozen values, with every error at once and the path of its key.

`load` and `parse` read, from a file and from text. Each table has a module (``tls``, ``frontend``, ``backend``,
``server``, ``server_tls``, ``check``, ``resolvers``; the whole file in ``config``) with its keys, what they take and
mean, what reads them and what checks them against each other; ``key`` is how fields of attrs say so, ``tables`` finds
them all, and ``model`` has what several tables share. What servers and their checks say in several tables,
``server_layers`` and ``check_layers`` read, by ``layers``. ``kind``, ``duration``, ``address``, ``hostname``,
``senders``, ``http``, ``format`` and ``tlv`` are the kinds of values, ``place`` the values of addresses. ``table`` asks
for keys and notes problems; ``references`` compares them with each other, ``remarks`` and ``unreachable`` find what has
no effect; ``difference`` compares two configurations. ``schema`` is the configuration as JSON Schema, for editors.
``secret`` reads what is in a file of its own so that a configuration can be shown.
"""

from mailproxy.config.backend import Backend, BackendTimeouts
from mailproxy.config.check import Check
from mailproxy.config.config import Config, Log
from mailproxy.config.frontend import Frontend, FrontendTimeouts
from mailproxy.config.load import DEFAULT_FILE, load, parse
from mailproxy.config.model import CustomTlv
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
from mailproxy.config.remarks import remarks
from mailproxy.config.resolvers import Resolvers
from mailproxy.config.server import Server
from mailproxy.config.server_tls import ServerTls
from mailproxy.config.tls import TlsProfile

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
