"""Messages, records and settings with valid defaults."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from twisted.names import dns

from mailproxy.names.question import Question
from mailproxy.names.record import Record

TYPES = {"A": dns.A, "AAAA": dns.AAAA, "SRV": dns.SRV}

NAME = "imap.example.org"
A = Question(NAME, "A")
AAAA = Question(NAME, "AAAA")
SRV = Question("_imap._tcp.example.org", "SRV")


def a(address: str = "192.0.2.1", *, name: str = NAME, ttl: int = 60) -> dns.RRHeader:
    return dns.RRHeader(name, dns.A, ttl=ttl, payload=dns.Record_A(address))


def aaaa(address: str = "2001:db8::1", *, name: str = NAME, ttl: int = 60) -> dns.RRHeader:
    return dns.RRHeader(name, dns.AAAA, ttl=ttl, payload=dns.Record_AAAA(address))


def cname(target: str, *, name: str = NAME, ttl: int = 60) -> dns.RRHeader:
    return dns.RRHeader(name, dns.CNAME, ttl=ttl, payload=dns.Record_CNAME(target))


def srv(
    target: str, port: int = 143, priority: int = 10, weight: int = 0, *, name: str = SRV.name, ttl: int = 60
) -> dns.RRHeader:
    return dns.RRHeader(name, dns.SRV, ttl=ttl, payload=dns.Record_SRV(priority, weight, port, target))


def message(question: Question = A, answers: Sequence[dns.RRHeader] = (), *, id: int = 7, **flags: Any) -> dns.Message:
    reply = dns.Message(id, **{"answer": 1, "recDes": 1, "recAv": 1, "maxSize": 0, **flags})
    reply.addQuery(question.name, TYPES[question.type])
    reply.answers = list(answers)
    return reply


def record(host: str, port: int | None = None, weight: int | None = None, *, backup: bool = False) -> Record:
    return Record(ip_address(host), port, weight, backup)
