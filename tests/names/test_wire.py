"""Names as DNS messages have them, and the bounds of reading them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.names.wire import MAX_NAME, MAX_STEPS, Reader, wire_name

LABEL = st.from_regex(r"[0-9a-z_-]{1,20}", fullmatch=True)


def pointer(target: int) -> bytes:
    return (0xC000 | target).to_bytes(2)


def reader(data: bytes, at: int = 0) -> Reader:
    made = Reader(data)
    made.at = at
    return made


@given(st.lists(LABEL, min_size=1, max_size=10).map(".".join))
def test_what_is_written_is_read(name: str) -> None:
    data = wire_name(name)
    read = reader(data + b"rest")
    assert read.name() == name.encode()
    assert read.at == len(data)


def test_root_is_empty() -> None:
    assert reader(b"\0").name() == b""


def test_name_is_in_lower_case() -> None:
    assert reader(b"\x01A\x03oRg\0").name() == b"a.org"


def test_dot_in_a_label_is_no_end_of_it() -> None:
    assert reader(b"\x05a.org\0").name() == rb"a\.org"


def test_pointer_leads_to_the_rest_of_a_name() -> None:
    data = b"\x03org\0" + b"\x01a" + pointer(0) + b"rest"
    read = reader(data, 5)
    assert read.name() == b"a.org"
    assert data[read.at :] == b"rest"


def test_pointers_lead_to_pointers() -> None:
    data = b"\x03org\0" + b"\x01b" + pointer(0) + b"\x01a" + pointer(5) + b"rest"
    read = reader(data, 9)
    assert read.name() == b"a.b.org"
    assert data[read.at :] == b"rest"


@pytest.mark.parametrize(
    ("data", "at", "complaint"),
    [
        (b"\x01a" + pointer(0), 0, "a pointer to 0, which is not before 0"),
        (b"\x01a" + pointer(2), 0, "a pointer to 2, which is not before 0"),
        (b"\x01a" + pointer(9) + b"\x01b\0", 0, "a pointer to 9, which is not before 0"),
        # To labels that lead to the pointer again.
        (b"\x01a\x01b" + pointer(0), 2, "a pointer to 0, which is not before 0"),
    ],
)
def test_circle_is_malformed(data: bytes, at: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        reader(data, at).name()


@pytest.mark.parametrize("data", [b"", b"\x02a", b"\x01a", b"\xc0", b"\x40a\0", b"\x80a\0"])
def test_malformed_name(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^octet "):
        reader(data).name()


def test_longest_name() -> None:
    name = b"\x01a" * 127 + b"\0"
    assert len(name) == MAX_NAME
    assert len(reader(name).name()) == 253


@pytest.mark.parametrize("label", [b"\x01a", b"\x3f" + b"a" * 63])
def test_longer_name_is_malformed_and_not_read_to_its_end(label: bytes) -> None:
    read = reader(label * (64_000 // len(label)) + b"\0")
    with pytest.raises(ValueError, match=f"more than {MAX_NAME} octets"):
        read.name()
    assert read.steps <= 128


def test_chains_of_pointers_are_not_read_to_their_end() -> None:
    # Each pointer leads to the one before it.
    data = b"\0" + b"".join(pointer(max(2 * n - 1, 0)) for n in range(8000))
    read = reader(data, len(data) - 2)
    read.name()
    read.at = len(data) - 2
    with pytest.raises(ValueError, match=f"more than {MAX_STEPS} labels"):
        read.name()
    assert read.steps == MAX_STEPS + 1


@given(st.binary(max_size=300), st.integers(0, 300))
def test_anything_is_a_name_or_malformed(data: bytes, at: int) -> None:
    with suppress(ValueError):
        assert len(reader(data, at).name()) <= 2 * MAX_NAME
