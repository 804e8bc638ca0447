"""How servers are checked: the keys of ``check``."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, get_args

from attrs import field, frozen

from mailproxy.config.address import HOST
from mailproxy.config.duration import WAIT
from mailproxy.config.http import HEADER_VALUE, JSON_VALUE, METHOD, STATUSES, URL
from mailproxy.config.key import Entries, Key, about, about_table
from mailproxy.config.kind import BOOLEAN, Kind, WrongValue, integer, one_of, text
from mailproxy.config.model import CheckHeader, MailProtocol
from mailproxy.config.path import file_path
from mailproxy.config.words import quoted
from mailproxy.mail.protocols import PROTOCOLS

CheckType = Literal["none", "tcp", "mail", "login", "http", "agent"]


_ALL: tuple[CheckType, ...] = ("tcp", "mail", "login", "http", "agent")


CHECK_EXAMPLE = 'check = { type = "mail", inter = "2s" }'


CONNECTING = ("tcp", "mail", "login")
"""The types of checks that begin like a client's session."""


NEEDED_KEYS: Mapping[CheckType, Mapping[str, str]] = {
    "login": {"user": "the name of a probe account", "password-file": "a file with its password"},
    "http": {"url": 'an address such as "http://{host}:8080/health"'},
    "agent": {"port": "the port that the agent listens on"},
}
"""The keys that a type of check needs, each in the words of an error."""


_MAILBOX_NEEDS = 'a mailbox such as "INBOX", its name in printable ASCII as IMAP has it (RFC 3501 section 5.1.3)'


def _mailbox(name: str) -> str:
    if not (name and name.isascii() and name.isprintable()):
        raise WrongValue(f"is {quoted(name)}, needs {_MAILBOX_NEEDS}")
    return name


_MAILBOX: Kind[str] = Kind((str,), _MAILBOX_NEEDS, _mailbox)


@frozen(kw_only=True)
class Check:
    """How a server is checked: the ``check`` of its backend, of ``default-server`` and its own, merged."""

    type: CheckType = field(
        metadata=about(
            one_of(
                get_args(CheckType),
                dict.fromkeys(PROTOCOLS, 'that is the frontend\'s protocol; a check of type = "mail" speaks it'),
            ),
            'What the check does, see below. With `protocol = "tcp"` both `"mail"` and `"login"` are `"tcp"`.',
            default='`"mail"`',
            haproxy=("option tcp-check", "option smtpchk", "option httpchk", "agent-check"),
        ),
    )
    inter: float = field(
        default=2.0,
        metadata=about(
            WAIT,
            "The interval between checks. The default is HAProxy's; logins cost more.",
            default='`"2s"`; `"10s"` with `"login"`',
            types=_ALL,
            haproxy="inter",
        ),
    )
    fastinter: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The interval while the last checks disagree with the server's state.",
            default="as `inter`",
            types=_ALL,
            haproxy="fastinter",
        ),
    )
    downinter: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The interval while the server is down.",
            default="as `inter`",
            types=_ALL,
            haproxy="downinter",
        ),
    )
    timeout: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The deadline of a whole check.",
            default='as `inter`; with `"login"` `"10s"`, at Dovecot `"20s"`; with `"mail"` at Postfix `"10s"`',
            types=_ALL,
            haproxy="timeout check",
        ),
    )
    jitter: int = field(
        default=10,
        metadata=about(
            integer(0, 50),
            "The random part of the interval, in percent more or less, so that checks do not all come at once.",
            types=_ALL,
            haproxy="spread-checks",
        ),
    )
    rise: int = field(
        default=2,
        metadata=about(
            integer(1, 1000),
            "Passed checks in a row until a server that is down counts as up.",
            types=_ALL,
            haproxy="rise",
        ),
    )
    fall: int = field(
        default=3,
        metadata=about(
            integer(1, 1000),
            "Failed checks in a row until a server that is up counts as down.",
            types=_ALL,
            haproxy="fall",
        ),
    )
    port: int | None = field(
        default=None,
        metadata=about(
            integer(1, 65535),
            'Another port to check. With `"mail"` and `"login"` only if the backend has one protocol.',
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
            "The PROXY header of checks: LOCAL, which says that there is no client; PROXY with mailproxy's own "
            'address, and with `"login"` an SSL TLV that reports TLS; or none. None is also the default with '
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
            file_path('a file such as "/etc/mailproxy/probe"'),
            "A file with its password: one line, readable only by mailproxy.",
            values="file",
            types=("login",),
            is_needed=True,
        ),
    )
    mailbox: str | None = field(
        default=None,
        metadata=about(
            _MAILBOX,
            'A mailbox to open, such as `"INBOX"`; with POP3, whose login opens the mailbox, the check counts '
            "messages. Finds broken storage.",
            values="name",
            types=("login",),
        ),
    )
    url: str | None = field(
        default=None,
        metadata=about(
            URL,
            "The address to request. `{host}` is the server's address, `{protocol}` the protocol.",
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
            "The method of the request.",
            types=("http",),
            haproxy="http-check send meth",
        ),
    )
    headers: Mapping[str, str] = field(
        factory=dict,
        metadata=about_table(
            Entries(Key(HEADER_VALUE, "The value of this header.")),
            "Headers to send, by name.",
            default="`{}`",
            types=("http",),
            haproxy="http-check send hdr",
        ),
    )
    body: str | None = field(
        default=None,
        metadata=about(
            Kind((str,), "a string", lambda value: value),
            "The body to send, with `{host}` and `{protocol}` filled in.",
            values="text",
            types=("http",),
            haproxy="http-check send body",
        ),
    )
    authorization_file: str | None = field(
        default=None,
        metadata=about(
            file_path('a file such as "/etc/mailproxy/doveadm-key"'),
            "A file with the value of the header `Authorization`: one line, readable only by mailproxy.",
            values="file",
            types=("http",),
        ),
    )
    status: tuple[range, ...] = field(
        default=(range(200, 201),),
        metadata=about(
            STATUSES,
            'The statuses that pass. HAProxy\'s default is `["200-399"]`.',
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
            Entries(Key(JSON_VALUE, "The value that the answer must have at this place.")),
            "Values that the answer must have: JSON pointers (RFC 6901), each with a string, number or boolean.",
            default="`{}`",
            types=("http",),
        ),
    )

    send: str = field(
        default="",
        metadata=about(
            Kind((str,), "a string", lambda value: value),
            "What to send to the agent first.",
            values="text",
            types=("agent",),
            haproxy="agent-send",
        ),
    )
    has_first_look: bool = True
    """Whether one check at the start tests the PROXY header, if the regular checks do not."""

    @property
    def seconds(self) -> float:
        """The deadline of a whole check."""
        return self.inter if self.timeout is None else self.timeout

    def type_for(self, protocol: MailProtocol) -> CheckType:
        """The type of check for `protocol`: for "tcp" no dialogue is known."""
        return "tcp" if protocol == "tcp" and self.type in ("mail", "login") else self.type
