"""
One DNS message in each direction, by twisted.names' codec; pure.

Of an answer only what was asked for is read: the answer section, as far as the bound goes, and in it addresses, SRV
and CNAME. Other sections are hearsay.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import IO

from attrs import frozen
from twisted.names import dns

from mailproxy.names.question import Alias, Denied, Found, MalformedError, NoAnswerError, Question, Target, canonical

# More servers than a backend has use for; beyond it a nameserver could keep us busy for nothing.
MAX_RECORDS = 256

# RFC 1035 has no bound; resolvers give up at 8 to 16.
MAX_ALIASES = 8

_TYPES = {"A": dns.A, "AAAA": dns.AAAA, "SRV": dns.SRV}
_PAYLOADS = {dns.A: dns.Record_A, dns.AAAA: dns.Record_AAAA, dns.SRV: dns.Record_SRV, dns.CNAME: dns.Record_CNAME}
_FAILURES = {dns.EFORMAT: "FORMERR", dns.ESERVER: "SERVFAIL", dns.ENOTIMP: "NOTIMP", dns.EREFUSED: "REFUSED"}

# The highest bit of a TTL makes it 0 (RFC 2181 section 8).
_MAX_TTL = 2**31 - 1


@frozen
class Truncated:
    """The answer did not fit into a datagram: ask again over TCP."""


class _Reply(dns.Message):
    """An answer: `dns.Message` takes one cut short for whole, and a record's word for its own length."""

    left_out = 0

    def parseRecords(self, list: list[dns.RRHeader], num: int, strio: IO[bytes]) -> None:
        """Read the answer section; `EOFError` or `ValueError` if it is malformed."""
        if list is not self.answers or self.trunc:
            return
        self.left_out = max(num - MAX_RECORDS, 0)
        for _ in range(num - self.left_out):
            header = dns.RRHeader()
            header.decode(strio)
            end = strio.tell() + header.rdlength
            payload = _PAYLOADS.get(header.type)
            if payload is not None:
                header.payload = payload()
                header.payload.decode(strio, header.rdlength)
                if strio.tell() != end:
                    raise ValueError(f"a record of {header.rdlength} bytes ends elsewhere")
            strio.seek(end)
            list.append(header)


def query(id: int, question: Question) -> bytes:
    """Return the message that asks a question, with recursion desired."""
    message = dns.Message(id, recDes=1)
    message.addQuery(question.name, _TYPES[question.type])
    return message.toStr()


def read(data: bytes, id: int, question: Question) -> Found | Denied | Alias | Truncated | None:
    """
    Read what came back; None if it is no answer to this question, whoever sent it.

    Raises `NoAnswerError` if it is one, but of no use, and `MalformedError` if nobody can say what it is.
    """
    reply = _Reply()
    try:
        reply.fromStr(data)
    except (EOFError, ValueError) as error:
        raise MalformedError(f"malformed message of {len(data)} bytes") from error
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
    name, ttl = question.name, _MAX_TTL
    aliases = {
        header.name.name.lower(): header for header in reply.answers if (header.type, header.cls) == (dns.CNAME, dns.IN)
    }
    for _ in range(MAX_ALIASES):
        here = [header for header in reply.answers if _is_wanted(header, name, question)]
        if here:
            return _found(here, ttl, question, reply.left_out)
        alias = aliases.get(name.encode())
        if alias is None:
            break
        name = _name(alias.payload.name)
        ttl = min(ttl, _seconds(alias))
    else:
        raise NoAnswerError(f"more than {MAX_ALIASES} aliases")
    if name != question.name:
        return Alias(name, ttl)
    if reply.auth or reply.recAv:
        return Denied(f"no {question.type} records")
    # A nameserver without recursion that only points elsewhere has not denied anything.
    raise NoAnswerError("a referral")


def _is_wanted(header: dns.RRHeader, name: str, question: Question) -> bool:
    where = (header.name.name.lower(), header.type, header.cls)
    return where == (name.encode(), _TYPES[question.type], dns.IN)


def _found(headers: Sequence[dns.RRHeader], ttl: float, question: Question, left_out: int) -> Found:
    ttl = min(ttl, *map(_seconds, headers))
    payloads = [header.payload for header in headers]
    match question.type:
        case "A":
            return Found(tuple(IPv4Address(payload.address) for payload in payloads), ttl, left_out)
        case "AAAA":
            return Found(tuple(IPv6Address(payload.address) for payload in payloads), ttl, left_out)
        case "SRV":
            # A target of "." says that the service is not available (RFC 2782).
            targets = (payload for payload in payloads if payload.target.name)
            return Found(tuple(_target(payload) for payload in targets), ttl, left_out)


def _target(payload: dns.Record_SRV) -> Target:
    return Target(payload.priority, payload.weight, payload.port, _name(payload.target))


def _name(name: dns.Name) -> str:
    try:
        return canonical(name.name.decode("ascii"))
    except ValueError as error:
        raise NoAnswerError(f"a record points to {name.name!r}") from error


def _seconds(header: dns.RRHeader) -> int:
    return header.ttl if header.ttl <= _MAX_TTL else 0
