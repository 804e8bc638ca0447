"""The codec: which messages are answers to our question, and their content."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns

from mailproxy.names.message import MAX_RECORDS, Truncated, query, read
from mailproxy.names.question import Alias, Denied, Found, MalformedError, NoAnswerError, Question, Target
from tests.names.builders import AAAA, NAME, SRV, A, a, aaaa, cname, message, srv


def found(*addresses: str, ttl: int = 60) -> Found:
    return Found(tuple(map(ip_address, addresses)), ttl)


def test_question_as_it_is_sent() -> None:
    assert query(0x1234, Question("a.example", "AAAA")) == bytes.fromhex(
        "1234"  # id
        "0100"  # a query, recursion desired
        "0001 0000 0000 0000"  # one question
        "01 61 07 6578616d706c65 00"  # a.example
        "001c 0001"  # AAAA, IN
    )


def test_addresses_are_found_in_their_order() -> None:
    reply = message(A, [a("192.0.2.2"), a("192.0.2.1")])
    assert read(reply.toStr(), 7, A) == found("192.0.2.2", "192.0.2.1")


def test_ipv6_addresses_are_found() -> None:
    assert read(message(AAAA, [aaaa("2001:db8::1")]).toStr(), 7, AAAA) == found("2001:db8::1")


def test_services_are_found() -> None:
    reply = message(SRV, [srv("d1.example.org", 10143, priority=1, weight=2)])
    assert read(reply.toStr(), 7, SRV) == Found((Target(1, 2, 10143, "d1.example.org"),), 60)


def test_target_that_is_a_dot_means_no_service() -> None:
    assert read(message(SRV, [srv("", 0)]).toStr(), 7, SRV) == Found((), 60)


def test_shortest_ttl_counts() -> None:
    reply = message(A, [cname("d.example.org", ttl=9), a(name="d.example.org", ttl=10)])
    assert read(reply.toStr(), 7, A) == found("192.0.2.1", ttl=9)


def test_ttl_with_its_highest_bit_set_is_zero() -> None:
    assert read(message(A, [a(ttl=2**31)]).toStr(), 7, A) == found("192.0.2.1", ttl=0)


def test_aliases_in_any_order_are_followed() -> None:
    reply = message(A, [a(name="c.example.org"), cname("c.example.org", name="B.example.org"), cname("b.example.org")])
    assert read(reply.toStr(), 7, A) == found("192.0.2.1")


def test_alias_that_the_answer_leaves_open_is_reported() -> None:
    reply = message(A, [cname("Elsewhere.example.net", ttl=5)])
    assert read(reply.toStr(), 7, A) == Alias("elsewhere.example.net", 5)


def test_cycle_of_aliases_is_no_answer() -> None:
    reply = message(A, [cname("b.example.org"), cname(NAME, name="b.example.org")])
    with pytest.raises(NoAnswerError, match="more than 8 aliases"):
        read(reply.toStr(), 7, A)


def test_name_that_does_not_exist_is_denied() -> None:
    assert read(message(A, rCode=dns.ENAME).toStr(), 7, A) == Denied("NXDOMAIN")


def test_answer_without_records_is_a_denial() -> None:
    assert read(message(AAAA).toStr(), 7, AAAA) == Denied("no AAAA records")


def test_records_of_others_are_ignored() -> None:
    reply = message(A, [a(name="other.example.org"), aaaa()])
    assert read(reply.toStr(), 7, A) == Denied("no A records")


def test_referral_is_no_denial() -> None:
    with pytest.raises(NoAnswerError, match="referral"):
        read(message(A, recAv=0).toStr(), 7, A)


def test_authority_may_deny_without_recursion() -> None:
    assert read(message(A, recAv=0, auth=True).toStr(), 7, A) == Denied("no A records")


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (dns.ESERVER, "SERVFAIL"),
        (dns.EREFUSED, "REFUSED"),
        (dns.ENOTIMP, "NOTIMP"),
        (dns.EFORMAT, "FORMERR"),
        (9, "code 9"),
    ],
)
def test_failure_is_no_answer(code: int, word: str) -> None:
    with pytest.raises(NoAnswerError, match=word):
        read(message(A, rCode=code).toStr(), 7, A)


def test_answer_cut_within_a_record_is_truncated() -> None:
    data = message(A, [a(), a("192.0.2.2")], trunc=1).toStr()
    assert read(data[:-3], 7, A) == Truncated()


def test_message_with_fewer_records_than_it_says_is_malformed() -> None:
    data = message(A, [a(), a("192.0.2.2")]).toStr()
    with pytest.raises(MalformedError, match=f"malformed message of {len(data) - 16 - 14 - 2} bytes"):
        read(data[: -16 - 14 - 2], 7, A)


def test_record_that_is_longer_than_it_says_is_malformed() -> None:
    data = message(A, [a()]).toStr()
    length = bytes.fromhex("0004 c0000201")
    with pytest.raises(MalformedError):
        read(data.replace(length, bytes.fromhex("0003 c0000201")), 7, A)


def test_target_that_is_no_name_is_no_answer() -> None:
    reply = message(SRV, [srv("d1.example.org")])
    with pytest.raises(NoAnswerError, match=r"points to b'd\\xff.example.org'"):
        read(reply.toStr().replace(b"\x02d1", b"\x02d\xff"), 7, SRV)


def test_no_more_records_are_read_than_a_backend_can_use() -> None:
    reply = message(A, [a(f"192.0.{n // 256}.{n % 256}") for n in range(MAX_RECORDS + 3)])
    answer = read(reply.toStr(), 7, A)
    assert isinstance(answer, Found)
    assert (len(answer.values), answer.left_out) == (MAX_RECORDS, 3)


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1"])
def test_address_that_is_no_server_is_left_out(address: str) -> None:
    assert read(message(A, [a(address), a()]).toStr(), 7, A) == found("192.0.2.1")


def test_name_is_compared_in_any_case() -> None:
    other = Question("IMAP.example.ORG", "A")
    assert read(message(other, [a(name="imaP.example.org")]).toStr(), 7, A) == found("192.0.2.1")


@pytest.mark.parametrize(
    "reply",
    [
        message(A, [a()], id=8),
        message(A, [a()], answer=0),
        message(A, [a()], opCode=dns.OP_STATUS),
        message(AAAA, [a()]),
        message(Question("other.example.org", "A"), [a()]),
        dns.Message(7, answer=1, recAv=1),
    ],
    ids=["id", "a question", "operation", "type", "name", "no question"],
)
def test_answer_to_another_question_is_none(reply: dns.Message) -> None:
    assert read(reply.toStr(), 7, A) is None


@given(st.binary(max_size=600))
def test_anything_is_an_answer_or_no_answer(data: bytes) -> None:
    with suppress(NoAnswerError):
        assert read(data, 7, A) is None


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8), st.integers(0, 10_000))
def test_damaged_answer_raises_nothing_else(damages: list[tuple[int, int]], kept: int) -> None:
    data = bytearray(message(SRV, [srv("d1.example.org"), cname("x.example.org", name=SRV.name)] * 2).toStr())
    for where, byte in damages:
        data[where % len(data)] = byte
    with suppress(NoAnswerError):
        read(bytes(data[: kept % len(data) + 1]), 7, SRV)


@given(
    st.lists(
        st.ip_addresses(v=4).filter(lambda ip: not (ip.is_unspecified or ip.is_multicast)), min_size=1, max_size=30
    )
)
def test_what_is_encoded_is_found(addresses: list[object]) -> None:
    reply = message(A, [a(str(address)) for address in addresses])
    assert read(reply.toStr(), 7, A) == Found(tuple(addresses), 60)  # type: ignore[arg-type]  # the strategy's type
