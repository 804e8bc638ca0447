"""Reads ``check`` tables: those of a backend, of its ``default-server`` and of a server are one, key by key."""

import os
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from math import isfinite
from typing import Any, Literal, get_args

from attrs import field, frozen

from mailproxy.config.address import HOST
from mailproxy.config.duration import WAIT
from mailproxy.config.http import HEADERS_NEED, METHOD, STATUSES, URL, header_name, header_value, pointer
from mailproxy.config.key import Entries, Key, about, about_table, given_keys, keys_of
from mailproxy.config.kind import BOOLEAN, Kind, Wrong, integer, one_of, text
from mailproxy.config.layers import Layer, Layers
from mailproxy.config.model import CheckHeader, MailProtocol, SendProxy
from mailproxy.config.place import ServerAddress, UnixServer
from mailproxy.config.table import Table
from mailproxy.config.words import listed, quoted
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.profiles import CheckDefaults

CheckType = Literal["none", "tcp", "mail", "login", "http", "agent"]

_ALL: tuple[CheckType, ...] = ("tcp", "mail", "login", "http", "agent")

CHECK_EXAMPLE = 'check = { type = "mail", inter = "2s" }'

CONNECTING = ("tcp", "mail", "login")
"""The types of checks that begin as a client's session does."""

_MAILBOX_NEEDS = 'a mailbox such as "INBOX", its name in printable ASCII as IMAP has it (RFC 3501 section 5.1.3)'


def _mailbox(name: str) -> str:
    if not (name and name.isascii() and name.isprintable()):
        raise Wrong(f"is {quoted(name)}, needs {_MAILBOX_NEEDS}")
    return name


_MAILBOX: Kind[str] = Kind((str,), _MAILBOX_NEEDS, _mailbox)

_HEADER_VALUE: Kind[str] = Kind((str,), HEADERS_NEED, header_value)


def _json_value(value: str | int | bool | float) -> str | int | bool | float:
    if isinstance(value, float) and not isfinite(value):
        raise Wrong(f"is {value}, which JSON cannot say")
    return value


_JSON_VALUE: Kind[str | int | bool | float] = Kind(
    (str, int, bool, float), "the string, number or truth value that has to be there", _json_value
)


@frozen(kw_only=True)
class Check:
    """How a server is checked: what ``check`` of its backend, of ``default-server`` and its own say together."""

    type: CheckType = field(
        metadata=about(
            one_of(
                get_args(CheckType),
                dict.fromkeys(PROTOCOLS, 'that is the frontend\'s protocol; a check of type = "mail" speaks it'),
            ),
            'What is asked of a server, see below. With `protocol = "tcp"` both `"mail"` and `"login"` are `"tcp"`.',
            default='`"mail"`',
            haproxy=("option tcp-check", "option smtpchk", "option httpchk", "agent-check"),
        ),
    )
    inter: float = field(
        default=2.0,
        metadata=about(
            WAIT,
            "From one check to the next. HAProxy's default; logins are dearer.",
            default='`"2s"`; `"10s"` with `"login"`',
            types=_ALL,
            haproxy="inter",
        ),
    )
    fastinter: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The same while the last checks disagree with what the server counts as.",
            default="as `inter`",
            types=_ALL,
            haproxy="fastinter",
        ),
    )
    downinter: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The same while it is down.",
            default="as `inter`",
            types=_ALL,
            haproxy="downinter",
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "For a whole check.",
            default='as `inter`; with `"login"` `"10s"`, at Dovecot `"20s"`; with `"mail"` at Postfix `"10s"`',
            types=_ALL,
            haproxy="timeout check",
        ),
    )
    jitter: int = field(
        default=10,
        metadata=about(
            integer(0, 50),
            "By how many percent of the interval a check comes earlier or later, so that they do not all come at once.",
            types=_ALL,
            haproxy="spread-checks",
        ),
    )
    rise: int = field(
        default=2,
        metadata=about(
            integer(1, 1000),
            "Good checks in a row until a server that was down is up.",
            types=_ALL,
            haproxy="rise",
        ),
    )
    fall: int = field(
        default=3,
        metadata=about(
            integer(1, 1000),
            "Bad checks in a row until a server that was up is down.",
            types=_ALL,
            haproxy="fall",
        ),
    )
    port: int | None = field(
        default=None,
        metadata=about(
            integer(1, 65535),
            'Another port to check. With `"mail"` and `"login"` only where the backend has one protocol.',
            default='the server\'s; needed with `"agent"`',
            types=(*CONNECTING, "agent"),
            haproxy=("port", "agent-port"),
        ),
    )
    address: IPv4Address | IPv6Address | None = field(
        default=None,
        metadata=about(
            HOST,
            "Another address to check.",
            values="IP address",
            default="the server's",
            types=(*CONNECTING, "agent"),
            haproxy=("addr", "agent-addr"),
        ),
    )
    header: CheckHeader | None = field(
        default=None,
        metadata=about(
            one_of(get_args(CheckHeader)),
            "The PROXY header of checks: LOCAL, which says that no client is behind this; PROXY with mailproxy's own "
            'address, and with `"login"` the word that the connection is safe; or none. None is also the default with '
            '`send-proxy = "none"`, and with a `port` or `address` of its own, as in HAProxy.',
            name="check-header",
            default='`"local"`; with `"login"` `"proxy"`',
            types=CONNECTING,
            haproxy="check-send-proxy",
        ),
    )
    tls: bool | None = field(
        default=None,
        metadata=about(
            BOOLEAN,
            "Whether checks use the server's `tls`. By default not with a `port` or `address` of its own.",
            name="check-tls",
            default="as the server",
            types=CONNECTING,
            haproxy="check-ssl",
        ),
    )
    user: str | None = field(
        default=None,
        metadata=about(
            text('an account such as "probe@example.org"'),
            "The probe account.",
            values="text",
            types=("login",),
            is_needed=True,
        ),
    )
    password_file: str | None = field(
        default=None,
        metadata=about(
            text('a file such as "/etc/mailproxy/probe"'),
            "A file with its password: one line, and nobody else's to read.",
            values="file",
            types=("login",),
            is_needed=True,
        ),
    )
    mailbox: str | None = field(
        default=None,
        metadata=about(
            _MAILBOX,
            'A mailbox to open, such as `"INBOX"`; with POP3, whose mailbox is opened by the login, to count. Finds '
            "storage that cannot be used.",
            values="name",
            types=("login",),
        ),
    )
    url: str | None = field(
        default=None,
        metadata=about(
            URL,
            "What to ask for. `{host}` is the server's address, `{protocol}` the protocol.",
            values="`http://…`, `https://…`",
            types=("http",),
            is_needed=True,
            haproxy="http-check send uri",
        ),
    )
    method: str = field(
        default="GET",
        metadata=about(
            METHOD,
            "How.",
            types=("http",),
            haproxy="http-check send meth",
        ),
    )
    headers: Mapping[str, str] = field(
        factory=dict,
        metadata=about_table(
            Entries(Key(_HEADER_VALUE, "The value of this header.")),
            "Headers to send, name by name.",
            default="`{}`",
            types=("http",),
            haproxy="http-check send hdr",
        ),
    )
    body: str | None = field(
        default=None,
        metadata=about(
            Kind((str,), "a string", lambda value: value),
            "What to send, with `{host}` and `{protocol}` filled in.",
            values="text",
            types=("http",),
            haproxy="http-check send body",
        ),
    )
    authorization_file: str | None = field(
        default=None,
        metadata=about(
            text('a file such as "/etc/mailproxy/doveadm-key"'),
            "A file with the value of the header `Authorization`: one line, and nobody else's to read.",
            values="file",
            types=("http",),
        ),
    )
    status: tuple[range, ...] = field(
        default=(range(200, 201),),
        metadata=about(
            STATUSES,
            'The statuses that are good. HAProxy\'s default is `["200-399"]`.',
            values='list of 100 to 599, `"2xx"`, `"200-399"`',
            default="`[200]`",
            is_list=True,
            types=("http",),
            haproxy="http-check expect status",
        ),
    )
    json: Mapping[str, str | int | bool | float] = field(
        factory=dict,
        metadata=about_table(
            Entries(Key(_JSON_VALUE, "What has to be at this place of the answer.")),
            "What has to be in the answer: JSON pointers (RFC 6901), each with its string, number or truth value.",
            default="`{}`",
            types=("http",),
        ),
    )

    send: str = field(
        default="",
        metadata=about(
            Kind((str,), "a string", lambda value: value),
            "What to say to the agent first.",
            values="text",
            types=("agent",),
            haproxy="agent-send",
        ),
    )
    has_first_look: bool = True
    """Whether the server is looked at once at the start, where checks do not see what it makes of a PROXY header."""

    @property
    def seconds(self) -> float:
        """How long a whole check may take."""
        return self.inter if self.timeout is None else self.timeout

    def type_for(self, protocol: MailProtocol) -> CheckType:
        """What is checked where `protocol` is spoken: with "tcp" nothing is known that could be said."""
        return "tcp" if protocol == "tcp" and self.type in ("mail", "login") else self.type


_FILES = ("password-file", "authorization-file")

_KEYS_OF: Mapping[CheckType, tuple[str, ...]] = {
    kind: tuple(name for name, _, about in keys_of(Check) if kind in about.types) for kind in get_args(CheckType)
}
_NEEDED: Mapping[CheckType, Mapping[str, str]] = {
    "login": {"user": "the name of a probe account", "password-file": "a file with its password"},
    "http": {"url": 'an address such as "http://{host}:8080/health"'},
    "agent": {"port": "the port that the agent listens on"},
}


def read_check(folder: str, table: Table) -> Layer:
    """Read one table; relative paths start at `folder`."""
    values = given_keys(table, Check)
    for key in _FILES:
        if key in values:
            values[key] = os.path.join(folder, values[key])
    found = {
        "headers": table.child_if_there("headers", _read_headers),
        "json": table.child_if_there("json", _read_json),
    }
    return Layer(table, values | {key: value for key, value in found.items() if value is not None})


def _read_headers(table: Table) -> dict[str, str]:
    headers = {}
    for key in table:
        value = table.take(key, _HEADER_VALUE, None)
        try:
            name = header_name(key)
        except Wrong as error:
            table.wrong(key, str(error))
            continue
        if value is not None:
            headers[name] = value
    return headers


def _read_json(table: Table) -> dict[str, str | int | bool | float]:
    expected = {}
    for key in table:
        value = table.take(key, _JSON_VALUE, None)
        try:
            place = pointer(key)
        except Wrong as error:
            table.wrong(key, str(error))
            continue
        if value is not None:
            expected[place] = value
    return expected


def check_type(check: Layers, defaults: CheckDefaults) -> CheckType:
    """What is checked: nothing without any table."""
    kind: CheckType = check.value("type", defaults.type) if check else "none"
    return kind


def judge_tables(check: Layers, defaults: CheckDefaults) -> None:
    """Refuse, in each table, the keys that are for other types than the one in effect there."""
    if not check.sound("type"):
        return
    for so_far in check.up_to_each():
        kind = check_type(so_far, defaults)
        origin = "" if "type" in so_far else ", which is the default"
        for key in so_far.last.values:
            if key != "type" and key not in _KEYS_OF[kind]:
                types = [other for other, keys in _KEYS_OF.items() if key in keys]
                so_far.last.table.wrong(key, f'is for type = {_either(types)}; this check has "{kind}"{origin}')


def _either(types: list[CheckType]) -> str:
    return listed(types) if len(types) == 1 else f"{listed(types[:-1])} or {listed(types[-1:])}"


def judge_whole(check: Layers, kind: CheckType) -> None:
    """Refuse what a server's check as a whole lacks."""
    for key, what in _NEEDED.get(kind, {}).items():
        if key not in check and check.sound("type", key):
            check.wrong(key, f'is missing: type = "{kind}" needs {what}', because="type")
    if kind == "http" and check.sound("method", "body", "json"):
        method = check.value("method", "GET")
        if "body" in check and method in ("GET", "HEAD"):
            check.wrong("body", f'goes with method = "POST"; this one is "{method}", which sends none')
        if "json" in check and method == "HEAD":
            check.wrong("json", 'looks into the answer, and method = "HEAD" gets none')


def judge_place(
    check: Layers, kind: CheckType, address: ServerAddress, send_proxy: SendProxy, *, server_has_tls: bool
) -> None:
    """Refuse what does not go with where the server is and how it is spoken to."""
    if check.value("check-tls", False) and not server_has_tls:
        check.wrong("check-tls", "is true, and the server has no tls that says how")
    header = check.value("check-header", "none")
    if header != "none" and send_proxy == "none":
        check.wrong("check-header", f'is "{header}", and send-proxy = "none": no header is sent to the server')
    if not isinstance(address, UnixServer):
        return
    is_connecting = kind in CONNECTING and ("port" in check or "address" in check)
    if is_connecting or kind == "agent":
        for key in ("port", "address"):
            if key not in check and check.sound(key):
                check.wrong(key, f"is missing: the server, {address}, is a UNIX socket and has none", because="type")
    if kind == "http" and "{host}" in check.value("url", ""):
        check.wrong("url", f"has {{host}} in it, and the server, {address}, is a UNIX socket")


def check_in_effect(
    check: Layers, kind: CheckType, defaults: CheckDefaults, send_proxy: SendProxy, *, server_has_tls: bool
) -> Check:
    """Make the check of a server; what no table says comes from its profile, and from how the server is spoken to."""
    if kind == "none":
        # A table that says so means no connection of ours at all.
        return Check(type="none", has_first_look=not check)
    is_login = kind == "login"
    # As HAProxy: a port or an address of its own is another service, which takes headers and TLS if one says so.
    is_elsewhere = "port" in check or "address" in check
    is_session = kind in CONNECTING
    has_header = is_session and send_proxy != "none" and not is_elsewhere
    usual: dict[str, Any] = {
        "inter": defaults.login_inter if is_login else defaults.inter,
        "timeout": defaults.login_timeout if is_login else defaults.timeout if kind == "mail" else None,
        "header": (defaults.login_header if is_login else defaults.header) if has_header else "none",
        "tls": is_session and server_has_tls and not is_elsewhere,
    }
    keys = _KEYS_OF[kind]
    fields = {name: field for name, field, _ in keys_of(Check)}
    said = {fields[key]: value for key, value in check.values.items() if key in keys}
    return Check(type=kind, **(usual | said))
