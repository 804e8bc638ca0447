"""What `mailproxy.config` offers: every table, and what reads them."""

from mailproxy.config.admin import Admin
from mailproxy.config.all_remarks import remarks
from mailproxy.config.backend import Backend
from mailproxy.config.bans import Bans
from mailproxy.config.check import Check
from mailproxy.config.config import Config
from mailproxy.config.document import load, parse
from mailproxy.config.frontend import Frontend
from mailproxy.config.limits import FrontendLimits, Limits
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
from mailproxy.config.resolvers import Resolvers
from mailproxy.config.server import Server
from mailproxy.config.server_tls import ServerTls
from mailproxy.config.timeouts import BackendTimeouts, FrontendTimeouts
from mailproxy.config.tls import TlsProfile

__all__ = [
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
