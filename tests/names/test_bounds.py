"""What a DNS message may cost."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns

from mailproxy.names.bounds import MAX_NAME, MAX_STEPS, check
from mailproxy.names.message import MAX_RECORDS
from tests.names.builders import SRV, A, a, cname, message, srv

EMPTY = bytes.fromhex("0010 0001 00000000 0000")
"""What follows a record's name: a TXT record without data, which is passed over."""

LONGEST = b"\x01a" * 127 + b"\0"

BODY = 12
"""The octet after the header."""


def answers(records: bytes, count: int = 65535) -> bytes:
    """An answer without questions that has `records`, with `count` in its head."""
    return bytes.fromhex("0007 8180 0000") + count.to_bytes(2) + bytes(4) + records


def pointer(target: int) -> bytes:
    return (0xC000 | target).to_bytes(2)


@pytest.mark.parametrize(
    "reply",
    [
        message(A, [a("192.0.2.2"), a("192.0.2.1")]),
        message(A, [cname("d.example.org"), a(name="d.example.org")]),
        message(SRV, [srv("d1.example.org", 10143)]),
    ],
)
def test_ordinary_answer_passes(reply: dns.Message) -> None:
    check(reply.toStr(), MAX_RECORDS)


def test_pointers_to_pointers_pass() -> None:
    records = b"\x03org\0" + EMPTY + b"\x01b" + pointer(BODY) + EMPTY
    check(answers(records + b"\x01a" + pointer(BODY + len(b"\x03org\0" + EMPTY)) + EMPTY, 3), MAX_RECORDS)


def test_longest_name_passes() -> None:
    assert len(LONGEST) == MAX_NAME
    check(answers(LONGEST + EMPTY, 1), MAX_RECORDS)


def test_records_beyond_the_bound_are_not_looked_at() -> None:
    check(answers((b"\0" + EMPTY) * 2 + b"\x40", 3), 2)


@pytest.mark.parametrize("label", [b"\x01a", b"\x3f" + b"a" * 63])
def test_longer_name_is_refused_where_it_begins(label: bytes) -> None:
    with pytest.raises(ValueError, match=f"octet {BODY}: a name of more than {MAX_NAME} octets"):
        check(answers(label * (63_000 // len(label))), MAX_RECORDS)


@pytest.mark.parametrize("kind", ["0005", "0021"])
def test_longer_name_in_the_data_of_a_record_is_refused(kind: str) -> None:
    data = bytes(6 if kind == "0021" else 0) + b"\x01a" * 128 + b"\0"
    record = b"\0" + bytes.fromhex(f"{kind} 0001 00000000") + len(data).to_bytes(2) + data
    with pytest.raises(ValueError, match=f"a name of more than {MAX_NAME} octets"):
        check(answers(record, 1), MAX_RECORDS)


def test_name_that_a_pointer_makes_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match=f"a name of more than {MAX_NAME} octets"):
        check(answers(LONGEST + EMPTY + b"\x01a" + pointer(BODY) + EMPTY, 2), MAX_RECORDS)


@pytest.mark.parametrize(
    "records",
    [
        (LONGEST + EMPTY) * 244,
        LONGEST + EMPTY + (pointer(BODY) + EMPTY) * 5000,
        LONGEST + EMPTY + b"".join(pointer(BODY + n) + EMPTY for n in range(253)),
        b"\0" + b"".join(pointer(BODY + max(2 * n - 1, 0)) for n in range(7000)) + b"\x01a",
    ],
    ids=["longest names", "pointers to one", "pointers into one", "a chain of pointers"],
)
def test_work_is_bounded(records: bytes) -> None:
    with pytest.raises(ValueError, match=f"more than {MAX_STEPS} labels|octet"):
        check(answers(records), 65535)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (b"\x01a" + pointer(BODY), f"a pointer to {BODY}, which is not before {BODY}"),
        (b"\x01a" + pointer(BODY + 2), f"a pointer to {BODY + 2}, which is not before {BODY}"),
        (b"\x01a" + pointer(BODY + 9) + b"\x01b\0", f"a pointer to {BODY + 9}, which is not before {BODY}"),
    ],
)
def test_cycle_is_refused(name: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(answers(name + EMPTY), MAX_RECORDS)


@pytest.mark.parametrize("name", [b"", b"\x02a", b"\x01a", b"\xc0", b"\x40a\0", b"\x80a\0"])
def test_name_that_ends_early_or_is_of_no_kind_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match=r"^octet "):
        check(answers(name), MAX_RECORDS)


@given(st.binary(max_size=300))
def test_anything_passes_or_is_refused(data: bytes) -> None:
    with suppress(ValueError):
        check(data, MAX_RECORDS)
