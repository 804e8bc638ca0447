"""The log line of a session: its fields and their form."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import LogEvent, Logger, LogLevel

from mailproxy.announce.addresses import PackedAddress
from mailproxy.backend.backend import Backend
from mailproxy.config.rule import shown_rule
from mailproxy.proxyprotocol import (
    Address,
    Header,
    InetAddress,
    SslClient,
    SslType,
    Tlv,
    TlvType,
    aws_vpc_endpoint_id,
    azure_link_id,
    gcp_psc_connection_id,
    tlv_name,
)
from mailproxy.proxyprotocol.address import host_port
from mailproxy.proxyprotocol.ssl import text_of
from mailproxy.rules.decision import Decision, Pending
from mailproxy.session.sampling import Sampler
from mailproxy.session.tally import CountedSession, count_sessions
from mailproxy.session.termination import RULED_OUT
from mailproxy.tls.presented import Presented

# Long enough to collect several under load, short enough for a person who watches the log.
DELAY_SECONDS = 0.1

MOST_WAITING = 32
"""
The number of sessions that are logged without a further wait.

Their lines hold up all other sessions. At 3,500 connections a second, the lines of 0.1 s took 3 ms.
"""

# All other values become JSON strings unless they are safe in a line without quotes. These are ours, and are safe and
# never empty in a line: names of the configuration, numbers, addresses as we write them, OpenSSL's words.
_OURS = frozenset(
    {"id", "frontend", "client", "via", "local", "tls", "cipher", "group", "resumed", "verify", "tlv_ssl"}
    | {"tlv_ssl_verify", "backend", "server", "retries", "auth_failures", "bytes_in", "bytes_out", "handshake_ms"}
    | {"connect_ms", "total_ms", "termination", "first_to_end", "gate"}
)
_BARE = re.compile(r"[!#-\[\]-~]+").fullmatch

Fields = dict[str, str | int]


class LoggedSession(CountedSession, Protocol):
    """The attributes of a session that are logged; `mailproxy.session.session.Session` explains them."""

    peer: Any
    header: Header | None
    is_local: bool
    source: Address | PackedAddress | None
    destination: Address | PackedAddress | None
    auth_failures: int
    first_to_end: str
    ruling: Decision | Pending | None

    @property
    def id(self) -> str:
        """The session's name."""

    @property
    def is_offloaded(self) -> bool:
        """True if TLS ended before mailproxy."""


class SessionLog:
    """
    Logs sessions a moment after their end, and counts them then and after their start, several at a time.

    Right after a handshake the processor's caches hold OpenSSL's code, and a log line costs 40 µs, a tenth of the whole
    connection; in a row they cost 10 µs each (measured).
    """

    _log = Logger(namespace="mailproxy.session")

    def __init__(self, clock: IReactorTime, sampler: Sampler) -> None:
        self._clock = clock
        self._sampler = sampler
        self._begun: list[LoggedSession] = []
        self._ended: list[tuple[float, LoggedSession]] = []
        self._call: IDelayedCall | None = None
        self.watchers: list[Callable[[LogEvent], object]] = []
        """Called with an event for each session that begins; the log has none."""

    def begin(self, session: LoggedSession) -> None:
        """Add a session that has reached a server, to be counted."""
        if self._call is None:
            self._call = self._clock.callLater(DELAY_SECONDS, self._on_time)
        self._begun.append(session)
        if len(self._begun) == MOST_WAITING:
            self._call.reset(0)

    def add(self, session: LoggedSession) -> None:
        """Add a session that has just ended."""
        if self._call is None:
            self._call = self._clock.callLater(DELAY_SECONDS, self._on_time)
        self._ended.append((time.time(), session))
        if len(self._ended) == MOST_WAITING:
            self._call.reset(0)

    def _on_time(self) -> None:
        self._call = None
        self.flush()

    def flush(self) -> None:
        """
        Count the added sessions, and log the ended ones.

        Each is one event with its fields, and a `line` that has them all as ``key=value``.
        """
        begun, self._begun = self._begun, []
        ended, self._ended = self._ended, []
        count_sessions(begun, [session for _, session in ended])
        if self.watchers:
            self._tell_begun(begun)
        log = self._log
        for moment, session in ended:
            if not self._is_line(session):
                continue
            fields = describe(session)
            if session.termination is not None and session.termination.ending.warns:
                level = LogLevel.warn
            elif session.is_local and session.server is None:
                level = LogLevel.debug  # a proxy's health checks come every other second
            else:
                level = LogLevel.info
            log.observer(
                {
                    "log_logger": log,
                    "log_level": level,
                    "log_namespace": log.namespace,
                    "log_source": None,
                    "log_format": "session {line}",
                    "log_time": moment,
                    "event": "session",
                    "line": as_line(fields),
                    **fields,
                }
            )

    def _tell_begun(self, sessions: Iterable[LoggedSession]) -> None:
        """Tell the watchers of sessions that have reached a server."""
        now, clock = time.time(), self._clock.seconds()
        for session in sessions:
            event = {
                "log_level": LogLevel.info,
                "log_namespace": self._log.namespace,
                "log_format": "session {id} begins",
                "log_time": now - max(clock - session.greeted, 0.0),
                "event": "session-begin",
                **describe_start(session),
            }
            for watcher in tuple(self.watchers):
                watcher(event)

    def _is_line(self, session: LoggedSession) -> bool:
        """Tell whether a session is a line: in a flood of clients that get no server, only the first ones are."""
        termination = session.termination
        if termination is None or not termination.is_early or session.is_local:
            return True
        ending = termination.ending
        kind = shown_rule(termination.reason) if ending is RULED_OUT else ending.happened
        fields: Fields = {}
        _add_client(fields, session)
        source, reason = str(fields["client"]).rpartition(":")[0], termination.reason or kind
        return self._sampler.takes(session.terms.frontend, source, reason, kind, is_warning=ending.warns)


def describe(session: LoggedSession) -> Fields:
    """Return the fields of a session, by the names in docs/log.md; fields that do not apply are absent."""
    fields = _who(session)
    if session.auth_failures:
        fields["auth_failures"] = session.auth_failures
    fields["bytes_in"] = session.client.received
    fields["bytes_out"] = 0 if session.stream is None else session.stream.received
    _add_times(fields, session)
    fields["total_ms"] = round((session.ended - session.started) * 1000)
    _add_end(fields, session)
    return fields


def describe_start(session: LoggedSession) -> Fields:
    """Return the fields of a session that has just reached a server: those of `describe` that are known by then."""
    fields = _who(session)
    _add_times(fields, session)
    return fields


# One dict is filled, in the order of the line: to make a dict for each part, and merge them, costs a tenth of a line.


def _who(session: LoggedSession) -> Fields:
    """Return the fields for the client, its TLS, and the server."""
    terms = session.terms
    fields: Fields = {"id": session.id, "frontend": terms.frontend}
    _add_client(fields, session)
    _add_tls(fields, session)
    if terms.log_tlvs and session.header is not None:
        _add_tlvs(fields, session.header, terms.log_tlvs)
    ruling = session.ruling
    if isinstance(ruling, Decision):
        if ruling.rule:
            fields["rule"] = ruling.rule
        if ruling.label:
            fields["label"] = ruling.label
    fields["backend"] = (session.backend or terms.backend).name
    if session.server is not None:
        fields["server"] = session.server.name
    if session.retries:
        fields["retries"] = session.retries
    if session.left_out:
        fields["left_out"] = "; ".join(session.left_out)
    return fields


def _add_client(fields: Fields, session: LoggedSession) -> None:
    header = session.header
    fields["client"] = peer = client_words(session.peer)
    if header is None:
        return
    if session.is_local:
        fields["local"] = "yes"
        return
    addresses = header.stream_addresses
    if addresses is not None:
        fields["client"] = _shown(addresses[0])
    fields["via"] = peer


def _add_tls(fields: Fields, session: LoggedSession) -> None:
    facts = session.facts
    if facts is None:
        termination = session.termination
        if session.terms.offloaders and session.is_offloaded:
            fields["tls"] = "offloaded"
        elif session.header is not None and _is_passed_on_tls(session.header, session.backend):
            fields["tls"] = "passed"
        elif termination is not None and termination.presented is not None:
            _add_refused(fields, termination.presented)
        return
    fields["tls"] = facts.version
    fields["cipher"] = facts.cipher
    if facts.group is not None:
        fields["group"] = facts.group
    if facts.resumed:
        fields["resumed"] = "yes"
    if facts.server_name is not None:
        fields["sni"] = facts.server_name
    if facts.alpn is not None:
        fields["alpn"] = facts.alpn.decode("latin-1")
    if facts.client_certificate is not None:
        fields["cn"] = ",".join(map(_escaped, facts.client_common_names))
        fields["verify"] = facts.verify


def _add_refused(fields: Fields, presented: Presented) -> None:
    """Add the identity of a client that was refused for its certificate: nobody has verified it."""
    fields["cn"] = ",".join(map(_escaped, presented.common_names))
    fields["serial"] = presented.serial
    fields["verify"] = presented.verify


def _add_times(fields: Fields, session: LoggedSession) -> None:
    started, secured, greeted = session.started, session.secured, session.greeted
    if secured:
        fields["handshake_ms"] = round((secured - started) * 1000)
    if greeted:
        fields["connect_ms"] = round((greeted - (secured or started)) * 1000)


def _add_end(fields: Fields, session: LoggedSession) -> None:
    termination = session.termination
    fields["termination"] = "" if termination is None else termination.letters
    if session.first_to_end:
        fields["first_to_end"] = session.first_to_end
    if termination is not None and termination.reason:
        fields["reason"] = termination.reason


def as_line(fields: Fields) -> str:
    """Return fields as ``key=value``, with quotes where a value needs them."""
    form, others = _form(tuple(fields))
    for key in others:
        if not _BARE(str(fields[key])):
            fields = fields | {key: json.dumps(fields[key])}
    return form % tuple(fields.values())


@lru_cache(maxsize=64)
def _form(keys: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """
    Return the line of fields with these names, to be filled with their values, and the names that are not ours.

    Most sessions have the same few: to join the fields one by one takes twice as long.
    """
    return " ".join(f"{key}=%s" for key in keys), tuple(key for key in keys if key not in _OURS)


def _is_passed_on_tls(header: Header, backend: Backend | None) -> bool:
    """Tell whether a received header says that the client is on TLS, and the server gets that."""
    if backend is None or TlvType.SSL not in backend.settings.pass_tlvs:
        return False
    ssl = header.ssl
    return ssl is not None and bool(ssl.client & SslClient.SSL)


def client_words(name: object) -> str:
    """Return the client's address as ``accept`` returned it; a peer on a UNIX socket seldom has a name."""
    if isinstance(name, tuple):
        return host_port(name[0], name[1])
    return "unix"


def _shown(address: Address) -> str:
    return str(address.unmapped) if isinstance(address, InetAddress) else "unix"


def _add_tlvs(fields: Fields, header: Header, types: tuple[int, ...]) -> None:
    """Add the received TLVs of these types, by name, with all values of repeated ones."""
    for type in types:
        if type == TlvType.SSL:
            _add_ssl(fields, header)
        else:
            _add_values(fields, header.tlvs, type)


def _add_ssl(fields: Fields, header: Header) -> None:
    """Add the fields of the SSL TLV, by name."""
    ssl = header.ssl
    if ssl is None:
        return
    flags = [str(flag.name).lower() for flag in SslClient if flag in ssl.client]
    fields["tlv_ssl"] = ",".join(flags) or "clear"
    fields["tlv_ssl_verify"] = ssl.verify
    for type in dict.fromkeys(tlv.type for tlv in ssl.tlvs):
        _add_values(fields, ssl.tlvs, type)


def _add_values(fields: Fields, tlvs: Iterable[Tlv], type: int) -> None:
    values = [_tlv_value(type, tlv.value) for tlv in tlvs if tlv.type == type]
    if values:
        fields[f"tlv_{tlv_name(type).lower()}"] = ",".join(values)


def _escaped(name: str) -> str:
    """Return a common name with a backslash before commas: one name with a comma is not two names."""
    return name.replace("\\", r"\\").replace(",", r"\,")


def _tlv_value(type: int, value: bytes) -> str:
    if type == TlvType.AZURE and (link := azure_link_id(value)) is not None:
        return str(link)
    if type == TlvType.GCP and (connection := gcp_psc_connection_id(value)) is not None:
        return str(connection)
    if type == TlvType.AWS and (endpoint := aws_vpc_endpoint_id(value)) is not None:
        return endpoint
    if type == SslType.CN and (name := text_of(value)) is not None:
        return _escaped(name)
    text = value.decode("ascii", "replace")
    return text if not text or _BARE(text) else f"hex:{value.hex()}"
