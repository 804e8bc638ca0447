"""The log record of a session: what is known of it, by the names of the fields in docs/log.md."""

from __future__ import annotations

from typing import Any, Protocol

from mailproxy.announce.addresses import PackedAddress
from mailproxy.backend.backend import Backend
from mailproxy.proxyprotocol import Address, Header, InetAddress, SslClient, TlvType
from mailproxy.proxyprotocol.address import host_port
from mailproxy.rules.decision import Decision, Pending
from mailproxy.session.line import Fields, escaped
from mailproxy.session.tally import CountedSession
from mailproxy.session.termination import FINISHED
from mailproxy.session.tlv_fields import add_tlvs
from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.presented import Presented


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


def describe(session: LoggedSession) -> Fields:
    """Return the fields of a session, by the names in docs/log.md; fields that do not apply are absent."""
    fields = _who(session)
    stream, termination = session.stream, session.termination
    if session.auth_failures:
        fields["auth_failures"] = session.auth_failures
    fields["bytes_in"] = session.client.received
    fields["bytes_out"] = 0 if stream is None else stream.received
    _add_times(fields, session)
    fields["total_ms"] = round((session.ended - session.started) * 1000)
    fields["termination"] = "" if termination is None else termination.letters
    if session.first_to_end:
        fields["first_to_end"] = session.first_to_end
    if termination is not None and termination.reason:
        fields["reason"] = termination.reason
    return fields


def describe_start(session: LoggedSession) -> Fields:
    """Return the fields of a session that has just reached a server: those of `describe` that are known by then."""
    fields = _who(session)
    _add_times(fields, session)
    return fields


def shown_client(session: LoggedSession) -> str:
    """Return the client's address, as the field `client` has it."""
    fields: Fields = {"client": client_words(session.peer)}
    if session.header is not None:
        _add_announced(fields, session, session.header)
    return str(fields["client"])


# Every session has a line: so one dict is filled, in the order of the line, and what few sessions have is in functions
# of its own. A call costs 1.5 % of a line, another dict to merge 5 %.


def _who(session: LoggedSession) -> Fields:
    """Return the fields for the client, its TLS, and the server."""
    terms, header, facts, ruling = session.terms, session.header, session.facts, session.ruling
    backend, server = session.backend, session.server
    fields: Fields = {"id": session.id, "frontend": terms.frontend, "client": client_words(session.peer)}
    if header is not None:
        _add_announced(fields, session, header)
    if facts is not None:
        _add_tls(fields, facts)
    elif header is not None or terms.offloaders or session.termination is not FINISHED:
        _add_other_tls(fields, session)
    if header is not None and terms.log_tlvs:
        add_tlvs(fields, header, terms.log_tlvs)
    if ruling is not None:
        _add_ruling(fields, ruling)
    if backend is not None:
        fields["backend"] = backend.name
    if server is not None:
        fields["server"] = server.name
    if session.retries or session.left_out:
        _add_attempts(fields, session)
    return fields


def _add_announced(fields: Fields, session: LoggedSession, header: Header) -> None:
    """Add what a PROXY header says of the client; the client is the peer if the header has no address."""
    if session.is_local:
        fields["local"] = "yes"
        return
    addresses = header.stream_addresses
    fields["via"] = fields["client"]
    if addresses is not None:
        fields["client"] = _shown(addresses[0])


def _add_tls(fields: Fields, facts: TlsFacts) -> None:
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
        fields["cn"] = ",".join(map(escaped, facts.client_common_names))
        fields["verify"] = facts.verify


def _add_other_tls(fields: Fields, session: LoggedSession) -> None:
    """Add what is known of TLS without a handshake here: TLS before mailproxy, or a handshake that failed."""
    header, termination = session.header, session.termination
    if session.terms.offloaders and session.is_offloaded:
        fields["tls"] = "offloaded"
    elif header is not None and _is_passed_on_tls(header, session.backend):
        fields["tls"] = "passed"
    elif termination is not None:
        if termination.sni is not None:
            fields["sni"] = termination.sni
        if termination.presented is not None:
            _add_refused(fields, termination.presented)


def _add_refused(fields: Fields, presented: Presented) -> None:
    """Add the identity of a client that was refused for its certificate: nobody has verified it."""
    fields["cn"] = ",".join(map(escaped, presented.common_names))
    fields["serial"] = presented.serial
    fields["verify"] = presented.verify


def _add_times(fields: Fields, session: LoggedSession) -> None:
    started, secured, greeted = session.started, session.secured, session.greeted
    if secured:
        fields["handshake_ms"] = round((secured - started) * 1000)
    if greeted:
        fields["connect_ms"] = round((greeted - (secured or started)) * 1000)


def _add_ruling(fields: Fields, ruling: Decision | Pending) -> None:
    if isinstance(ruling, Decision):
        if ruling.rule:
            fields["rule"] = ruling.rule
        if ruling.label:
            fields["label"] = ruling.label


def _add_attempts(fields: Fields, session: LoggedSession) -> None:
    if session.retries:
        fields["retries"] = session.retries
    if session.left_out:
        fields["left_out"] = "; ".join(map(str, session.left_out))


def _is_passed_on_tls(header: Header, backend: Backend | None) -> bool:
    """Return whether a received header says that the client is on TLS, and the server gets that."""
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
