"""Reads ``if`` of a rule: what has to be true of a client."""

import os
from collections.abc import Mapping
from functools import partial
from typing import Literal, get_args

from attrs import evolve, field, frozen

from mailproxy.config.key import Again, Entries, Fields, Key, about, about_table, keys_of, read_keys
from mailproxy.config.kind import BOOLEAN, NAME, Kind, Wrong, integer, one_of
from mailproxy.config.measure import Counted, Measure
from mailproxy.config.model import TlsVersion
from mailproxy.config.moment import MOMENTS, Moments
from mailproxy.config.place import UNIX, Network
from mailproxy.config.rate import RATE, Rate
from mailproxy.config.senders import NETWORK
from mailproxy.config.table import Table
from mailproxy.config.text_pattern import TEXT_PATTERN, TextPattern
from mailproxy.config.tlv import TLV_TYPE
from mailproxy.config.words import quoted


@frozen
class ListFile:
    """A file that lists networks, `mailproxy.networks.list_file`."""

    path: str

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"@{self.path}"


Place = Network | ListFile | Literal["unix"]
"""Where a client may come from, or connect to."""

_PLACE_NEEDS = f'{NETWORK.needs}, "@PATH" of a file that lists them, or "{UNIX}"'


def _place(text: str) -> Place:
    if text == UNIX:
        return UNIX
    if text.startswith("@"):
        if not text[1:] or not text.isprintable():
            raise Wrong(f"is {quoted(text)}, needs the path of a file after @")
        return ListFile(text[1:])
    if text.isalpha():
        raise Wrong(f"is {quoted(text)}, needs {_PLACE_NEEDS}")
    return NETWORK.read(text)


_PLACE: Kind[Place] = Kind((str,), _PLACE_NEEDS, _place, '`"NETWORK"`, `"@FILE"`, `"unix"`')
_PORT = integer(1, 65535)
_PATTERNS = "texts, `*` and `?`, `~`"


def _fingerprint(text: str) -> str:
    digits = text.replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise Wrong(f"is {quoted(text)}, needs a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons")
    return digits


_FINGERPRINT: Kind[str] = Kind((str,), "a SHA-256 fingerprint: 64 hexadecimal digits", _fingerprint, "SHA-256, hex")


def _prefix(text: str) -> int:
    bits = text.removeprefix("/")
    if bits == text or not (bits.isascii() and bits.isdigit() and 1 <= int(bits[:4]) <= 128):
        raise Wrong(f'is {quoted(text)}, needs the length of a prefix such as "/24" or "/64"')
    return int(bits)


_PREFIX: Kind[int] = Kind(
    (str,), 'the length of a prefix such as "/64"', _prefix, '`"/1"` to `"/128"`', {"pattern": "^/[0-9]{1,3}$"}
)

_IPV4_BITS = 32

_PER = about(
    _PREFIX,
    "What counts as one source: a length up to 32 is for IPv4, a longer one for IPv6; a list may have one of each. "
    "By default `source-prefix-v4` and `source-prefix-v6` of `[limits]`.",
    values="prefix lengths",
    default="of `[limits]`",
    is_list=True,
    or_one=True,
)


@frozen(kw_only=True)
class ServersUp:
    """A number of servers that a backend has."""

    backend: str = field(default="", metadata=about(NAME, "The `[backend.NAME]`.", values="name", is_needed=True))
    under: int | None = field(
        default=None,
        metadata=about(integer(1, 100_000), "Fewer than this number of servers may take clients.", default="none"),
    )
    over: int | None = field(
        default=None,
        metadata=about(integer(0, 100_000), "More than this number of servers may take clients.", default="none"),
    )


@frozen(kw_only=True)
class SessionsNow:
    """A number of sessions that a frontend or a backend has."""

    frontend: str | None = field(default=None, metadata=about(NAME, "The `[frontend.NAME]`.", values="name"))
    backend: str | None = field(
        default=None,
        metadata=about(NAME, "The `[backend.NAME]`, for the protocol of this frontend.", values="name"),
    )
    under: int | None = field(
        default=None, metadata=about(integer(1, 10_000_000), "Fewer sessions than this number.", default="none")
    )
    over: int | None = field(
        default=None,
        metadata=about(
            integer(0, 10_000_000), "More sessions than this number, the client's own among them.", default="none"
        ),
    )


@frozen(kw_only=True)
class SourceConnections:
    """A number of connections that a source has."""

    over: int = field(
        default=0, metadata=about(integer(0, 10_000_000), "More connections than this number.", is_needed=True)
    )
    per: tuple[int, ...] = field(default=(), metadata=_PER)


@frozen(kw_only=True)
class SourceRate:
    """A number of events of a source in a time."""

    over: Rate = field(
        default=Rate(0, 1.0), metadata=about(RATE, "More than this number in the time after it.", is_needed=True)
    )
    per: tuple[int, ...] = field(default=(), metadata=_PER)


def _same() -> Fields:
    return Fields(Condition)


@frozen(kw_only=True)
class Condition:
    """What has to be true of a client: all keys of the table, each with one of its values."""

    source: tuple[Place, ...] = field(
        default=(),
        metadata=about(
            _PLACE,
            "The client's address: networks, addresses, files that list them, or the clients of UNIX sockets.",
            is_list=True,
            or_one=True,
            haproxy="src",
            example='source = ["10.0.0.0/8", "@lists/office.txt"]',
        ),
    )
    destination: tuple[Place, ...] = field(
        default=(),
        metadata=about(
            _PLACE, "The address that the client has connected to.", is_list=True, or_one=True, haproxy="dst"
        ),
    )
    port: tuple[int, ...] = field(
        default=(),
        metadata=about(
            _PORT, "The port that the client has connected to.", is_list=True, or_one=True, haproxy="dst_port"
        ),
    )
    sni: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The name that the client asks for (SNI), in upper or lower case.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy=("ssl_fc_sni", "req_ssl_sni", "req.ssl_sni"),
            example='sni = "*.example.org"',
        ),
    )
    alpn: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The protocol that ALPN has selected.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy="ssl_fc_alpn",
        ),
    )
    tls_version: tuple[TlsVersion, ...] = field(
        default=(),
        metadata=about(
            one_of(get_args(TlsVersion)),
            "The version of TLS.",
            is_list=True,
            or_one=True,
            haproxy="ssl_fc_protocol",
        ),
    )
    cipher: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The cipher suite, by OpenSSL's name.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy="ssl_fc_cipher",
        ),
    )
    group: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The group of the key exchange, by OpenSSL's name.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy="ssl_fc_curve",
        ),
    )
    resumed: bool | None = field(
        default=None,
        metadata=about(BOOLEAN, "Whether TLS resumed an earlier session.", default="none", haproxy="ssl_fc_is_resumed"),
    )
    client_cn: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "A common name of the client's certificate, if that is verified.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy="ssl_c_s_dn",
        ),
    )
    client_san: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "A DNS name, mail address, URI or IP address among the certificate's alternative names, if that is "
            "verified; in upper or lower case.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
        ),
    )
    client_issuer: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The issuer of the certificate as in RFC 4514 (`CN=Clients,O=Example`), if that is verified.",
            values=_PATTERNS,
            is_list=True,
            or_one=True,
            haproxy="ssl_c_i_dn",
        ),
    )
    client_fingerprint: tuple[str, ...] = field(
        default=(),
        metadata=about(
            _FINGERPRINT,
            "The SHA-256 of the certificate, verified or not: the client has its key in any case.",
            is_list=True,
            or_one=True,
            haproxy=("ssl_c_sha1", "ssl_c_der"),
        ),
    )
    client_verified: bool | None = field(
        default=None,
        metadata=about(
            BOOLEAN,
            "Whether the client has a certificate that is verified.",
            default="none",
            haproxy=("ssl_c_verify", "ssl_c_used"),
        ),
    )
    tlvs: Mapping[int, tuple[TextPattern, ...]] = field(
        factory=dict,
        metadata=about_table(
            Entries(
                Key(TEXT_PATTERN, "The values of this TLV.", is_list=True, or_one=True),
            ),
            "TLVs of the received PROXY header, by name or number, each with its values: "
            '`{ azure = "4242", 0xE5 = "blue" }`; see [rules.md](rules.md#tlvs).',
            name="tlv",
            default="`{}`",
            haproxy="fc_pp_tlv",
        ),
    )
    servers_up: ServersUp | None = field(
        default=None,
        metadata=about_table(
            Fields(ServersUp),
            'How many servers of a backend may take clients: `{ backend = "main", under = 1 }`.',
            haproxy="nbsrv",
            default="none",
        ),
    )
    sessions: SessionsNow | None = field(
        default=None,
        metadata=about_table(
            Fields(SessionsNow),
            'How many sessions a frontend or a backend has: `{ backend = "main", over = 5000 }`.',
            haproxy=("fe_conn", "be_conn"),
            default="none",
        ),
    )
    time: tuple[Moments, ...] = field(
        default=(),
        metadata=about(
            MOMENTS,
            'Local time: `"Mon-Fri 08:00-18:00"`, `"Sat,Sun"`, or `"Fri 22:00-06:00"`, which ends on Saturday.',
            values="list of times",
            is_list=True,
            or_one=True,
            haproxy="date",
        ),
    )
    source_connections: SourceConnections | None = field(
        default=None,
        metadata=about_table(
            Fields(SourceConnections),
            "How many connections the client's source has now: `{ over = 20 }`.",
            haproxy=("src_conn_cur", "sc_conn_cur"),
            default="none",
        ),
    )
    source_rate: SourceRate | None = field(
        default=None,
        metadata=about_table(
            Fields(SourceRate),
            'How many connections the source made: `{ over = "30/1m", per = "/64" }`.',
            haproxy=("src_conn_rate", "sc_conn_rate"),
            default="none",
        ),
    )
    handshake_failures: SourceRate | None = field(
        default=None,
        metadata=about_table(
            Fields(SourceRate), "How many TLS handshakes of the source failed, as `source-rate`.", default="none"
        ),
    )
    auth_failures: SourceRate | None = field(
        default=None,
        metadata=about_table(
            Fields(SourceRate), "How many logins of the source were refused, as `source-rate`.", default="none"
        ),
    )
    banned: bool | None = field(
        default=None,
        metadata=about(
            BOOLEAN,
            "Whether the client's address is banned. Usually banned clients are closed before they have a session; a "
            "frontend that has a rule with this key leaves them to its rules.",
            default="none",
        ),
    )
    any_of: "tuple[Condition, ...]" = field(
        default=(),
        metadata=about_table(
            Again(_same, is_list=True),
            "A list of tables with these keys, of which one has to be true.",
            values="list of tables",
            default="`[]`",
            name="any",
        ),
    )
    all_of: "tuple[Condition, ...]" = field(
        default=(),
        metadata=about_table(
            Again(_same, is_list=True),
            "A list of tables that all have to be true.",
            values="list of tables",
            default="`[]`",
            name="all",
        ),
    )
    none_of: "Condition | None" = field(
        default=None,
        metadata=about_table(
            Again(_same),
            "A table that must not be true.",
            default="none",
            name="not",
        ),
    )

    @property
    def measures(self) -> frozenset[Measure]:
        """What has to be counted of sources for it, in the conditions inside it too."""
        found: set[Measure] = set()
        if self.source_connections is not None:
            found.add(_measure("source-connections", 0.0, self.source_connections.per))
        for counted, rate in self.rates.items():
            found.add(_measure(counted, rate.over.seconds, rate.per))
        return frozenset(found.union(*(inner.measures for inner in self.inner)))

    @property
    def rates(self) -> "Mapping[Counted, SourceRate]":
        """Its own conditions on rates, by their keys."""
        rates: dict[Counted, SourceRate | None] = {
            "source-rate": self.source_rate,
            "handshake-failures": self.handshake_failures,
            "auth-failures": self.auth_failures,
        }
        return {counted: rate for counted, rate in rates.items() if rate is not None}

    @property
    def inner(self) -> "tuple[Condition, ...]":
        """The conditions inside it."""
        return (*self.any_of, *self.all_of, *(() if self.none_of is None else (self.none_of,)))

    @property
    def asks_about_tls(self) -> bool:
        """True if a key of its own is about TLS."""
        return any(getattr(self, name) != getattr(ALWAYS, name) for name in TLS_FIELDS)

    @property
    def is_empty(self) -> bool:
        """True without any key."""
        return self == ALWAYS


TLS_FIELDS = (
    *("sni", "alpn", "tls_version", "cipher", "group", "resumed"),
    *("client_cn", "client_san", "client_issuer", "client_fingerprint", "client_verified"),
)
"""The fields about TLS: false for a client without it."""

ALWAYS = Condition()
"""The condition of a rule that is for every client."""


def _measure(counted: Counted, seconds: float, per: tuple[int, ...]) -> Measure:
    bits4 = next((bits for bits in per if bits <= _IPV4_BITS), None)
    bits6 = next((bits for bits in per if bits > _IPV4_BITS), None)
    return Measure(counted, seconds, bits4, bits6)


def measure_of(counted: Counted, wanted: SourceConnections | SourceRate) -> Measure:
    """Return what has to be counted of sources for one condition."""
    seconds = wanted.over.seconds if isinstance(wanted, SourceRate) else 0.0
    return _measure(counted, seconds, wanted.per)


def read_condition(folder: str, table: Table) -> Condition:
    """Read one condition; relative paths of files start at `folder`."""
    read = partial(read_condition, folder)
    condition = read_keys(table, ALWAYS)
    condition = evolve(
        condition,
        source=tuple(_from(folder, place) for place in condition.source),
        destination=tuple(_from(folder, place) for place in condition.destination),
        tlvs=table.child("tlv", _read_tlvs),
        servers_up=table.child_if_there("servers-up", _read_servers_up),
        sessions=table.child_if_there("sessions", _read_sessions),
        source_connections=table.child_if_there("source-connections", _read_connections),
        source_rate=table.child_if_there("source-rate", _read_rate),
        handshake_failures=table.child_if_there("handshake-failures", _read_rate),
        auth_failures=table.child_if_there("auth-failures", _read_rate),
        any_of=table.tables("any", read),
        all_of=table.tables("all", read),
        none_of=table.child_if_there("not", read),
    )
    for key, name, _ in keys_of(Condition):
        if key in table and table.sound(key) and getattr(condition, name) in ((), {}):
            table.wrong(key, "is empty, so no client would be right; leave it out")
    if not tuple(table):
        table.wrong_itself("is an empty table; a rule without a condition is for every client")
    return condition


def _from(folder: str, place: Place) -> Place:
    return ListFile(os.path.join(folder, place.path)) if isinstance(place, ListFile) else place


def _read_tlvs(table: Table) -> dict[int, tuple[TextPattern, ...]]:
    tlvs: dict[int, tuple[TextPattern, ...]] = {}
    for key in table:
        patterns = table.each(key, TEXT_PATTERN, or_one=True)
        try:
            number = TLV_TYPE.read(key)
        except Wrong as error:
            table.wrong(key, str(error))
            continue
        if number in tlvs:
            table.wrong(key, "is the same type as another key here")
        elif not patterns and table.sound(key):
            table.wrong(key, "is empty, so no client would be right; leave it out")
        tlvs[number] = patterns
    return tlvs


def _read_servers_up(table: Table) -> ServersUp:
    _check_bounds(table)
    return read_keys(table, ServersUp())


def _read_sessions(table: Table) -> SessionsNow:
    if ("frontend" in table) == ("backend" in table):
        table.wrong_itself("needs the name of a frontend or of a backend, one of the two")
    _check_bounds(table)
    return read_keys(table, SessionsNow())


def _check_bounds(table: Table) -> None:
    if "under" not in table and "over" not in table:
        table.wrong_itself("needs a number: under = 1, or over = 100")


def _read_connections(table: Table) -> SourceConnections:
    connections = read_keys(table, SourceConnections())
    _check_per(table, connections.per)
    return connections


def _read_rate(table: Table) -> SourceRate:
    rate = read_keys(table, SourceRate())
    _check_per(table, rate.per)
    return rate


def _check_per(table: Table, per: tuple[int, ...]) -> None:
    if len({bits <= _IPV4_BITS for bits in per}) < len(per):
        table.wrong("per", "has two lengths for one family; up to 32 is for IPv4, more is for IPv6")
