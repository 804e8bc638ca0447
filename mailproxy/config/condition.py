"""Reads ``if`` of a rule: what a client has to match."""

import os
from collections.abc import Mapping
from functools import partial
from typing import get_args

from attrs import evolve, field, frozen

from mailproxy.config.client_place import PLACE, ListFile, Place
from mailproxy.config.condition_numbers import (
    ServersUp,
    SessionsNow,
    SourceConnections,
    SourceRate,
    measure,
    read_connections,
    read_rate,
    read_servers_up,
    read_sessions,
)
from mailproxy.config.key import Entries, Fields, Key, SameTable, about, about_table, keys_of, read_keys
from mailproxy.config.kind import BOOLEAN, Kind, WrongValue, integer, one_of
from mailproxy.config.measure import Counted, Measure
from mailproxy.config.model import TlsVersion
from mailproxy.config.moment import MOMENTS, Moments
from mailproxy.config.table import Table
from mailproxy.config.text_pattern import TEXT_PATTERN, TextPattern
from mailproxy.config.tlv import TLV_TYPE
from mailproxy.config.words import quoted

PORT = integer(1, 65535)
TLS_VERSION: Kind[TlsVersion] = one_of(get_args(TlsVersion))
_PATTERNS = "texts, `*` and `?`, `~`"


def _fingerprint(text: str) -> str:
    digits = text.replace(":", "").lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise WrongValue(
            f"is {quoted(text)}, needs a SHA-256 fingerprint: 64 hexadecimal digits, with or without colons"
        )
    return digits


FINGERPRINT: Kind[str] = Kind((str,), "a SHA-256 fingerprint: 64 hexadecimal digits", _fingerprint, "SHA-256, hex")


def _same() -> Fields:
    return Fields(Condition)


@frozen(kw_only=True)
class Condition:
    """What a client has to match: all keys of the table, each with one of its values."""

    source: tuple[Place, ...] = field(
        default=(),
        metadata=about(
            PLACE,
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
            PLACE, "The address that the client has connected to.", is_list=True, or_one=True, haproxy="dst"
        ),
    )
    port: tuple[int, ...] = field(
        default=(),
        metadata=about(
            PORT, "The port that the client has connected to.", is_list=True, or_one=True, haproxy="dst_port"
        ),
    )
    sni: tuple[TextPattern, ...] = field(
        default=(),
        metadata=about(
            TEXT_PATTERN,
            "The name that the client asks for (SNI), in upper or lower case, without a dot at its end.",
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
            TLS_VERSION,
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
            FINGERPRINT,
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
            SameTable(_same, is_list=True),
            "A list of tables with these keys, of which one has to match.",
            values="list of tables",
            default="`[]`",
            name="any",
        ),
    )
    all_of: "tuple[Condition, ...]" = field(
        default=(),
        metadata=about_table(
            SameTable(_same, is_list=True),
            "A list of tables that all have to match.",
            values="list of tables",
            default="`[]`",
            name="all",
        ),
    )
    none_of: "Condition | None" = field(
        default=None,
        metadata=about_table(
            SameTable(_same),
            "A table that must not match.",
            default="none",
            name="not",
        ),
    )

    @property
    def measures(self) -> frozenset[Measure]:
        """What has to be counted of sources for it, in the conditions inside it too."""
        found: set[Measure] = set()
        if self.source_connections is not None:
            found.add(measure("source-connections", 0.0, self.source_connections.per))
        for counted, rate in self.rates.items():
            found.add(measure(counted, rate.over.seconds, rate.per))
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


def read_condition(folder: str, table: Table) -> Condition:
    """Read one condition; relative paths of files start at `folder`."""
    read = partial(read_condition, folder)
    condition = read_keys(table, ALWAYS)
    condition = evolve(
        condition,
        source=tuple(_from(folder, place) for place in condition.source),
        destination=tuple(_from(folder, place) for place in condition.destination),
        tlvs=table.child("tlv", _read_tlvs),
        servers_up=table.child_if_there("servers-up", read_servers_up),
        sessions=table.child_if_there("sessions", read_sessions),
        source_connections=table.child_if_there("source-connections", read_connections),
        source_rate=table.child_if_there("source-rate", read_rate),
        handshake_failures=table.child_if_there("handshake-failures", read_rate),
        auth_failures=table.child_if_there("auth-failures", read_rate),
        any_of=table.tables("any", read),
        all_of=table.tables("all", read),
        none_of=table.child_if_there("not", read),
    )
    for key, name, _ in keys_of(Condition):
        if key in table and table.is_sound(key) and getattr(condition, name) in ((), {}):
            table.report(key, "is empty, so no client would match; leave it out")
    if not tuple(table):
        table.report_itself("is an empty table; a rule without a condition is for every client")
    return condition


def _from(folder: str, place: Place) -> Place:
    return ListFile(os.path.join(folder, place.path)) if isinstance(place, ListFile) else place


def _read_tlvs(table: Table) -> dict[int, tuple[TextPattern, ...]]:
    tlvs: dict[int, tuple[TextPattern, ...]] = {}
    for key in table:
        patterns = table.each(key, TEXT_PATTERN, or_one=True)
        try:
            number = TLV_TYPE.read(key)
        except WrongValue as error:
            table.report(key, str(error))
            continue
        if number in tlvs:
            table.report(key, "is the same type as another key here")
        elif not patterns and table.is_sound(key):
            table.report(key, "is empty, so no client would match; leave it out")
        tlvs[number] = patterns
    return tlvs
