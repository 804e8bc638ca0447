"""The predicates about the client itself: its addresses, its TLS, and its PROXY header."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_address
from operator import attrgetter
from typing import Any

from mailproxy.config.client_place import ListFile, Place
from mailproxy.config.condition import Condition
from mailproxy.config.place import UNIX
from mailproxy.config.text_pattern import TextPattern
from mailproxy.config.tlv import NAMES
from mailproxy.networks.network_set import NetworkSet
from mailproxy.proxyprotocol import tlv_name
from mailproxy.rules.matching import matcher
from mailproxy.rules.predicate import Predicate, listed, worded
from mailproxy.rules.subject import Subject
from mailproxy.rules.surroundings import Surroundings
from mailproxy.rules.tlv_text import tlv_text
from mailproxy.rules.unknown import UNKNOWN, Test, Truth, Unknown

_from_bytes = int.from_bytes

_TLV_NAMES = {number: name for name, number in NAMES.items()}

_NO_CASE = frozenset({"alpn", "cipher", "group", "client_san"})
"""Facts that are the same in upper and lower case."""


def client_predicates(condition: Condition, surroundings: Surroundings) -> Iterator[Predicate]:
    """Yield the predicates of a condition about the client itself, cheap ones first."""
    if condition.port:
        yield Predicate("port", listed(condition.port), _one_of("port", condition.port), partial(_show, "port"))
    for field, places in (("source", condition.source), ("destination", condition.destination)):
        if places:
            yield Predicate(field, listed(places), _within(field, places, surroundings), partial(_host, field))
    for field, make in _BY_FIELD.items():
        values = getattr(condition, field)
        if values not in ((), None):
            values = values if isinstance(values, tuple) else (values,)
            words = listed([str(value).lower() if isinstance(value, bool) else value for value in values])
            yield Predicate(field.replace("_", "-"), words, make(field, values), partial(_show, field))
    for type, patterns in condition.tlvs.items():
        shown = partial(_tlv_values, type)
        fact = f"tlv.{_TLV_NAMES.get(type, f'0x{type:02X}')}"
        yield Predicate(f"tlv {tlv_name(type)}", listed(patterns), _tlv(type, patterns), shown, fact=fact)


def _one_of(field: str, allowed: Sequence[object]) -> Test[Subject]:
    values = frozenset(allowed)

    def test(subject: Subject) -> Truth:
        value = getattr(subject, field)
        return None if value is UNKNOWN else value in values

    return test


def _like(field: str, patterns: Sequence[TextPattern]) -> Test[Subject]:
    matches = matcher(patterns, ignore_case=field in _NO_CASE)

    def test(subject: Subject) -> Truth:
        value = getattr(subject, field)
        if value is UNKNOWN:
            return None
        return value is not None and matches(value)

    return test


def _like_name(field: str, patterns: Sequence[TextPattern]) -> Test[Subject]:
    """Compare a name without the dot at its end, which RFC 6066, 3 forbids and a client may send to evade a rule."""
    matches = matcher(patterns, ignore_case=True)

    def test(subject: Subject) -> Truth:
        value = getattr(subject, field)
        if value is UNKNOWN:
            return None
        return value is not None and matches(value.rstrip("."))

    return test


def _any_like(field: str, patterns: Sequence[TextPattern]) -> Test[Subject]:
    matches = matcher(patterns, ignore_case=field in _NO_CASE)

    def test(subject: Subject) -> Truth:
        values = getattr(subject, field)
        return None if values is UNKNOWN else any(map(matches, values))

    return test


_BY_FIELD: dict[str, Callable[[str, Any], Test[Subject]]] = {
    "tls_version": _one_of,
    "resumed": _one_of,
    "client_verified": _one_of,
    "client_fingerprint": _one_of,
    "sni": _like_name,
    "alpn": _like,
    "cipher": _like,
    "group": _like,
    "client_issuer": _like,
    "client_cn": _any_like,
    "client_san": _any_like,
}
"""
The functions that make the tests of a `Condition`'s fields about TLS.

Each takes a field and its values in the condition: patterns, or the values themselves.
"""


def _within(field: str, places: Sequence[Place], surroundings: Surroundings) -> Test[Subject]:
    has_unix = UNIX in places
    networks = NetworkSet.of(place for place in places if not isinstance(place, str | ListFile))
    named = [surroundings.network_list(place.path) for place in places if isinstance(place, ListFile)]
    lists = tuple(one for one in named if not isinstance(one, Unknown))
    is_partly_known = len(lists) < len(named)
    get = attrgetter(field)
    # The usual client has a known IPv4 address; what is here is done for it, for each rule.
    has, limits = networks.__contains__, networks.limits4

    def test(subject: Subject) -> Truth:
        address = get(subject)
        if address is None:
            return has_unix
        if address is UNKNOWN:
            return None
        return bisect_right(limits, _from_bytes(address)) & 1 == 1 if len(address) == 4 else has(address)

    def test_with_lists(subject: Subject) -> Truth:
        matched = test(subject)
        if matched is not False:
            return matched
        address = get(subject)
        if isinstance(address, bytes) and any(address in one.networks for one in lists):
            return True
        return None if is_partly_known else False

    return test_with_lists if named else test


def _tlv(type: int, patterns: Sequence[TextPattern]) -> Test[Subject]:
    matches = matcher(patterns, ignore_case=False)

    def test(subject: Subject) -> Truth:
        tlvs = subject.tlvs
        if tlvs is UNKNOWN:
            return None
        return any(tlv.type == type and matches(tlv_text(tlv)) for tlv in tlvs)

    return test


# The client's values in words.


def _show(field: str, subject: Subject) -> str:
    return worded(getattr(subject, field))


def _host(field: str, subject: Subject) -> str:
    address = getattr(subject, field)
    if isinstance(address, bytes):
        return str(ip_address(address))
    return UNIX if address is None else worded(address)


def _tlv_values(type: int, subject: Subject) -> str:
    tlvs = subject.tlvs
    return worded(UNKNOWN if tlvs is UNKNOWN else tuple(tlv_text(tlv) for tlv in tlvs if tlv.type == type))
