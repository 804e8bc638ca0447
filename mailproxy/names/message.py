"""
One DNS message in each direction; pure.

Of an answer only what was asked for is read: the answer section, as far as the bound goes, and in it addresses, SRV
and CNAME. Other sections are hearsay.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from struct import Struct

from attrs import frozen

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
from mailproxy.names.wire import Reader, wire_name

# More servers than a backend has use for; beyond it a nameserver could keep us busy for nothing.
MAX_RECORDS = 256

# RFC 1035 has no bound; resolvers give up at 8 to 16.
MAX_ALIASES = 8


class _Type(IntEnum):
    """What kinds of records are read."""

    A = 1
    CNAME = 5
    AAAA = 28
    SRV = 33


_IN = 1
_NXDOMAIN = 3
_FAILURES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}

# RFC 1035 section 4.1.1: id, flags, and how many there are of questions, answers and the records of two other sections.
_HEADER = Struct("!6H")
_IS_ANSWER, _OPCODE, _IS_AUTHORITY, _IS_TRUNCATED = 0x8000, 0x7800, 0x0400, 0x0200
_WANTS_RECURSION, _HAS_RECURSION, _CODE = 0x0100, 0x0080, 0x000F

_ASKED = Struct("!HH")
"""Type and class of a question (section 4.1.2)."""

_RECORD = Struct("!HHIH")
"""Type, class, TTL and length of a record (section 4.1.3)."""

_SERVICE = Struct("!HHH")
"""Priority, weight and port of an SRV record."""

_MAX_TTL = 2**31 - 1


@frozen
class Truncated:
    """The answer did not fit into a datagram: ask again over TCP."""


@frozen
class Service:
    """The data of an SRV record as they came (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: bytes


@frozen
class Resource:
    """A record of the answer; the data of a CNAME is a name."""

    name: bytes
    type: int
    ttl: int
    data: IPv4Address | IPv6Address | Service | bytes


def query(id: int, question: Question) -> bytes:
    """Return the message that asks a question, with recursion desired."""
    asked = wire_name(question.name) + _ASKED.pack(_Type[question.type], _IN)
    return _HEADER.pack(id, _WANTS_RECURSION, 1, 0, 0, 0) + asked


def read(data: bytes, id: int, question: Question) -> Found | Denied | Alias | Truncated | None:
    """
    Read what came back; None if it is no answer to this question, whoever sent it.

    Raises `NoAnswerError` if it is one, but of no use, and `MalformedError` if nobody can say what it is.
    """
    reader = Reader(data)
    try:
        its_id, flags, questions, answers, _, _ = reader.numbers(_HEADER)
        if its_id != id or flags & (_IS_ANSWER | _OPCODE) != _IS_ANSWER or questions != 1:
            return None
        asked = (reader.name(), *reader.numbers(_ASKED))
        if asked != (question.name.encode(), _Type[question.type], _IN):
            return None
        code = flags & _CODE
        if code == _NXDOMAIN:
            return Denied("NXDOMAIN")
        if code:
            raise NoAnswerError(_FAILURES.get(code, f"code {code}"))
        if flags & _IS_TRUNCATED:
            return Truncated()
        resources = read_answers(reader, min(answers, MAX_RECORDS))
    except ValueError as error:
        raise MalformedError(f"malformed message of {len(data)} bytes: {error}") from error
    is_denied = bool(flags & (_IS_AUTHORITY | _HAS_RECURSION))
    return _judge(resources, question, max(answers - MAX_RECORDS, 0), is_denied=is_denied)


def read_answers(reader: Reader, count: int) -> list[Resource]:
    """Read records of the types that are of use; ValueError if one is malformed, or they take too much work."""
    resources: list[Resource] = []
    for _ in range(count):
        name = reader.name()
        type, its_class, ttl, length = reader.numbers(_RECORD)
        end = reader.at + length
        data = _data(reader, type) if its_class == _IN else None
        if data is None:
            reader.octets(length)
            continue
        if reader.at != end:
            raise ValueError(f"a record of {length} bytes has {length + reader.at - end}")
        # The highest bit of a TTL makes it 0 (RFC 2181 section 8).
        resources.append(Resource(name, type, ttl if ttl <= _MAX_TTL else 0, data))
    return resources


def _data(reader: Reader, type: int) -> IPv4Address | IPv6Address | Service | bytes | None:
    """Read a record's data; None for types that say nothing to us, and are not read."""
    match type:
        case _Type.A:
            return IPv4Address(reader.octets(4))
        case _Type.AAAA:
            return IPv6Address(reader.octets(16))
        case _Type.SRV:
            priority, weight, port = reader.numbers(_SERVICE)
            return Service(priority, weight, port, reader.name())
        case _Type.CNAME:
            return reader.name()
    return None


def _judge(
    resources: Sequence[Resource], question: Question, left_out: int, *, is_denied: bool
) -> Found | Denied | Alias:
    """Find the answer among the records; `is_denied` says whether one without records denies that there are any."""
    name, ttl = question.name, _MAX_TTL
    for _ in range(MAX_ALIASES):
        here = [resource for resource in resources if resource.name == name.encode()]
        wanted = [resource for resource in here if resource.type == _Type[question.type]]
        if wanted:
            ttl = min(ttl, *(resource.ttl for resource in wanted))
            values = (_value(resource.data) for resource in wanted)
            return Found(tuple(value for value in values if value is not None), ttl, left_out)
        aliases = [(resource.data, resource.ttl) for resource in here if isinstance(resource.data, bytes)]
        if not aliases:
            break
        (alias, seconds), *_ = aliases
        name, ttl = _name(alias), min(ttl, seconds)
    else:
        raise NoAnswerError(f"more than {MAX_ALIASES} aliases")
    if name != question.name:
        return Alias(name, ttl)
    if is_denied:
        return Denied(f"no {question.type} records")
    # A nameserver without recursion that only points elsewhere has not denied anything.
    raise NoAnswerError("a referral")


def _value(data: IPv4Address | IPv6Address | Service | bytes) -> Value | None:
    """Return what a record says; None if that is that there is no server."""
    match data:
        case IPv4Address() | IPv6Address():
            # What filters give for a name that is to lead nowhere; connected to, 0.0.0.0 and :: are this machine.
            return None if data.is_unspecified or data.is_multicast else data
        case Service() if data.target:
            return Target(data.priority, data.weight, data.port, _name(data.target))
    # A target of "." says that the service is not available (RFC 2782).
    return None


def _name(wire: bytes) -> str:
    try:
        return canonical(wire.decode("ascii"))
    except ValueError as error:
        raise NoAnswerError(f"a record points to {wire!r}") from error
