"""
One DNS message in each direction, by twisted.names' codec; pure.

Only the answer section is read, up to the limit, and in it addresses, SRV and CNAME. Other sections are not trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import IO

from attrs import frozen
from twisted.names import dns

from mailproxy.names.bounds import check
from mailproxy.names.question import (
    Alias,
    Denied,
    Found,
    MalformedError,
    NoAnswerError,
    Question,
    Target,
    Value,
    canonical,
)

# More servers than a backend needs; without a limit a nameserver could waste our time.
MAX_RECORDS = 256

# RFC 1035 has no limit; resolvers give up at 8 to 16.
MAX_ALIASES = 8

_Payload = dns.Record_A | dns.Record_AAAA | dns.Record_SRV | dns.Record_CNAME

_TYPES = {"A": dns.A, "AAAA": dns.AAAA, "SRV": dns.SRV}
_PAYLOADS: Mapping[int, type[_Payload]] = {
    dns.A: dns.Record_A,
    dns.AAAA: dns.Record_AAAA,
    dns.SRV: dns.Record_SRV,
    dns.CNAME: dns.Record_CNAME,
}
_FAILURES = {dns.EFORMAT: "FORMERR", dns.ESERVER: "SERVFAIL", dns.ENOTIMP: "NOTIMP", dns.EREFUSED: "REFUSED"}

_MAX_TTL = 2**31 - 1


@frozen
class Truncated:
    """The answer did not fit into a datagram: ask again over TCP."""


@frozen
class _Resource:
    """A record of the answer."""

    name: bytes
    ttl: int
    payload: _Payload


class _Reply(dns.Message):
    """An answer; `dns.Message` would accept a truncated one as whole, and trust a record's length."""

    def __init__(self) -> None:
        super().__init__()
        self.resources: list[_Resource] = []
        self.left_out = 0

    def parseRecords(self, list: list[dns.RRHeader], num: int, strio: IO[bytes]) -> None:
        """Read the answer section; `EOFError` or `ValueError` if it is malformed."""
        if list is not self.answers or self.trunc:
            return
        self.left_out = max(num - MAX_RECORDS, 0)
        for _ in range(num - self.left_out):
            header = dns.RRHeader()
            header.decode(strio)
            length = header.rdlength or 0
            end = strio.tell() + length
            kind = _PAYLOADS.get(header.type) if header.cls == dns.IN else None
            if kind is not None:
                payload = kind()
                payload.decode(strio, length)  # type: ignore[no-untyped-call]  # Twisted has no annotations there
                if strio.tell() != end:
                    raise ValueError(f"a record of {length} bytes ends elsewhere")
                # The highest bit of a TTL makes it 0 (RFC 2181 section 8).
                ttl = header.ttl if header.ttl <= _MAX_TTL else 0
                self.resources.append(_Resource(header.name.name.lower(), ttl, payload))
            strio.seek(end)


def query(id: int, question: Question) -> bytes:
    """Return the message that asks a question, with recursion desired."""
    message = dns.Message(id, recDes=1)
    message.addQuery(question.name, _TYPES[question.type])
    return message.toStr()


def read(data: bytes, id: int, question: Question) -> Found | Denied | Alias | Truncated | None:
    """
    Read a reply; None if it is not an answer to this question.

    Raises `NoAnswerError` if it is a useless answer, and `MalformedError` if it cannot be read.
    """
    reply = _Reply()
    try:
        check(data, MAX_RECORDS)
        reply.fromStr(data)
    except (EOFError, ValueError) as error:
        raise MalformedError(f"malformed message of {len(data)} bytes: {error}") from error
    if not _answers(reply, id, question):
        return None
    if reply.rCode == dns.ENAME:
        return Denied("NXDOMAIN")
    if reply.rCode != dns.OK:
        raise NoAnswerError(_FAILURES.get(reply.rCode, f"code {reply.rCode}"))
    if reply.trunc:
        return Truncated()
    return _read_records(reply, question)


def _answers(reply: dns.Message, id: int, question: Question) -> bool:
    if reply.id != id or not reply.answer or reply.opCode != dns.OP_QUERY or len(reply.queries) != 1:
        return False
    (asked,) = reply.queries
    return (asked.name.name.lower(), asked.type, asked.cls) == (question.name.encode(), _TYPES[question.type], dns.IN)


def _read_records(reply: _Reply, question: Question) -> Found | Denied | Alias:
    kind = _PAYLOADS[_TYPES[question.type]]
    name, ttl = question.name, _MAX_TTL
    for _ in range(MAX_ALIASES):
        here = [resource for resource in reply.resources if resource.name == name.encode()]
        wanted = [resource for resource in here if isinstance(resource.payload, kind)]
        if wanted:
            ttl = min(ttl, *(resource.ttl for resource in wanted))
            return _found([resource.payload for resource in wanted], ttl, reply.left_out)
        aliases = [(each.payload.name, each.ttl) for each in here if isinstance(each.payload, dns.Record_CNAME)]
        if not aliases:
            break
        (alias, seconds), *_ = aliases
        name, ttl = _name(alias), min(ttl, seconds)
    else:
        raise NoAnswerError(f"more than {MAX_ALIASES} aliases")
    if name != question.name:
        return Alias(name, ttl)
    if reply.auth or reply.recAv:
        return Denied(f"no {question.type} records")
    # A referral from a nameserver without recursion is not a denial.
    raise NoAnswerError("a referral")


def _found(payloads: Sequence[_Payload], ttl: float, left_out: int) -> Found:
    return Found(tuple(value for payload in payloads if (value := _value(payload)) is not None), ttl, left_out)


def _value(payload: _Payload) -> Value | None:
    """Return a record's value; None if it says that there is no server."""
    match payload:
        case dns.Record_A():
            return _server(IPv4Address(payload.address))
        case dns.Record_AAAA():
            return _server(IPv6Address(payload.address))
        case dns.Record_SRV() if payload.target.name:
            return Target(payload.priority, payload.weight, payload.port, _name(payload.target))
    # A target of "." says that the service is not available (RFC 2782).
    return None


def _server(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    # Filters answer with these for blocked names; a connection to 0.0.0.0 or :: goes to this machine.
    return None if address.is_unspecified or address.is_multicast else address


def _name(name: dns.Name | None) -> str:
    wire = b"" if name is None else name.name
    try:
        return canonical(wire.decode("ascii"))
    except ValueError as error:
        raise NoAnswerError(f"a record points to {wire!r}") from error
