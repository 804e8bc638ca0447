"""
The words of the configuration, and the values that several of its tables have.

Each table has its own file with its keys, their defaults and the code that reads it. The meaning of a key, and the
reason for its default, is there and in ``docs/configuration.md``. Durations are seconds.
"""

from typing import Literal, TypeAlias

from attrs import frozen

from mailproxy.config.format import Format
from mailproxy.proxyprotocol.options import HeaderKind

LogFormat = Literal["text", "json"]

LogLevel = Literal["debug", "info", "warn", "error"]

LogFacility = Literal[
    "mail", "daemon", "user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]

TlsVersion = Literal["1.2", "1.3"]

ClientCertificates = Literal["none", "optional", "required"]

BadClientCertificate = Literal["refused", "unverified"]

MailProtocol: TypeAlias = str
"""One of `mailproxy.mail.protocols.protocol_words`."""

FrontendTls = Literal["implicit", "starttls", "starttls-optional", "none"]

SendProxy = Literal["none", HeaderKind]

CheckHeader = Literal["local", "proxy", "none"]

Observe = Literal["none", "connect"]

OnMarkedDown = Literal["none", "shutdown-sessions"]

OnMarkedUp = Literal["none", "shutdown-backup-sessions"]

ResolvePrefer = Literal["ipv6", "ipv4"]

Verify = Literal["required", "none"]

FileContent = Literal["authorities", "certificate", "password", "authorization", "token"]


@frozen
class CustomTlv:
    """A TLV that the configuration sets: a constant, or a format that is filled for each session."""

    type: int
    value: bytes | Format


@frozen
class NamedFile:
    """A file to read before the start, and the key that names it; the path is absolute."""

    key: str
    path: str
    content: FileContent
