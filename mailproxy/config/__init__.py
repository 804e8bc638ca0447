"""
The configuration: TOML into frozen values, with every error at once and the path of its key.

`load` reads a file, `parse` a text. Each table has a module (``log``, ``tls``, ``frontend``, ``backend``, ``server``,
``server_tls``, ``check``, ``resolvers``, ``limits``, ``admin``, ``bans``, ``rule`` with ``condition`` and
``condition_numbers``; ``config`` has the whole file) with its keys, their kinds and meanings, and the code that reads
and compares them. ``key`` describes keys as metadata of attrs fields, ``tables`` finds all tables, and ``model`` has
the types that several tables share. ``server_layers`` and ``check_layers`` merge the tables of servers and checks, by
``layers``. ``kind``, ``duration``, ``address``, ``hostname``, ``senders``, ``client_place``, ``text_pattern``,
``moment``, ``rate``, ``bandwidth``, ``refuse``, ``http``, ``format`` and ``tlv`` are the kinds of values, ``place`` has
the values of addresses, ``target`` those of the log. ``table`` reads keys and notes problems; ``references`` compares
tables with each other; ``remarks``, ``rule_remarks`` and ``unreachable`` find keys without effect; ``difference``
compares two configurations. ``schema`` makes the JSON Schema for editors. ``secret`` reads secrets from files of their
own, so that a configuration can be shown.
"""

from mailproxy.config.admin import Admin
from mailproxy.config.backend import Backend, BackendTimeouts
from mailproxy.config.bans import Bans
from mailproxy.config.check import Check
from mailproxy.config.config import Config
from mailproxy.config.frontend import Frontend, FrontendTimeouts
from mailproxy.config.limits import FrontendLimits, Limits
from mailproxy.config.load import DEFAULT_FILE, load, parse
from mailproxy.config.log import FrontendLog, Log
from mailproxy.config.model import CustomTlv
from mailproxy.config.place import (
    Bind,
    InetBind,
    InetServer,
    NamedServer,
    ServerAddress,
    SrvServer,
    SystemdBind,
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
    "Admin",
    "Backend",
    "BackendTimeouts",
    "Bans",
    "Bind",
    "Check",
    "Config",
    "ConfigError",
    "CustomTlv",
    "Frontend",
    "FrontendLimits",
    "FrontendLog",
    "FrontendTimeouts",
    "InetBind",
    "InetServer",
    "Limits",
    "Log",
    "NamedServer",
    "Problem",
    "Resolvers",
    "Server",
    "ServerAddress",
    "ServerTls",
    "SrvServer",
    "SystemdBind",
    "TlsProfile",
    "UnixBind",
    "UnixServer",
    "load",
    "parse",
    "remarks",
]
