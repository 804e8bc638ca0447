"""Files that list networks."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.networks import list_file
from mailproxy.networks.list_file import MAX_BYTES, UnusableList, parse_list, read_list, state_of
from mailproxy.networks.network_set import NetworkSet

OFFICE = b"""\
# the offices
10.0.0.0/8
192.0.2.1            # one address
198.51.100.0/24 ; SBL1

2001:db8::/32
2001:DB9::1
"""


def problem_of(text: bytes) -> str:
    with pytest.raises(UnusableList) as caught:
        parse_list(text, "office.txt")
    return str(caught.value)


def test_list_has_its_networks_and_addresses() -> None:
    expected = ["10.0.0.0/8", "192.0.2.1", "198.51.100.0/24", "2001:db8::/32", "2001:db9::1"]
    assert parse_list(OFFICE, "office.txt") == NetworkSet.of(map(ip_network, expected))


def test_number_of_networks_is_known() -> None:
    assert parse_list(OFFICE, "office.txt").size == 5


@pytest.mark.parametrize("text", [b"", b"\n\n", b"# nothing\n", b"  ;\r\n"])
def test_list_may_be_empty(text: bytes) -> None:
    assert not parse_list(text, "office.txt")


def test_lines_may_end_as_on_windows() -> None:
    assert ip_address("10.1.2.3").packed in parse_list(b"\xef\xbb\xbf10.0.0.0/8\r\n", "office.txt")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"10.1.0.0/8", 'is "10.1.0.0/8", which has bits beyond the prefix; is it "10.0.0.0/8" or "10.1.0.0/16"?'),
        (b"10.0.0.0/33", 'is "10.0.0.0/33", needs a network such as'),
        (b"10.0.0.0/255.0.0.0", 'is "10.0.0.0/255.0.0.0", in which "255.0.0.0" is no number of bits'),
        (b"010.0.0.1", 'is "010.0.0.1", needs a network such as'),
        (b"example.org", 'is "example.org", needs a network such as'),
        (b"10.0.0.0/8 10.1.0.0/16", 'is "10.0.0.0/8 10.1.0.0/16", in which'),
        (b"fe80::1%eth0", 'is "fe80::1%eth0", needs a network such as'),
        (b"::ffff:10.0.0.1", 'is "::ffff:10.0.0.1", IPv4 addresses in IPv6 form; write them as IPv4'),
        (b"2001:db8::1/32", 'is "2001:db8::1/32", which has bits beyond the prefix'),
        (b"\xff\xfe", 'is "��", needs a network such as'),
        (b"10.0.0.0/\xb2", 'is "10.0.0.0/�", in which'),
    ],
)
def test_wrong_line_is_named(line: bytes, problem: str) -> None:
    assert problem_of(b"10.0.0.0/8\n" + line + b"\n").startswith(f"office.txt:2: {problem}")


@given(st.text(st.characters(codec="ascii", exclude_characters="#;\n"), min_size=1, max_size=24))
def test_a_line_is_taken_if_ipaddress_takes_it(text: str) -> None:
    check_line(text)


@given(st.text("0123456789abcdef.:/", min_size=1, max_size=24))
def test_an_address_is_taken_if_ipaddress_takes_it(text: str) -> None:
    check_line(text)


def parsed(data: bytes) -> NetworkSet | UnusableList:
    try:
        return parse_list(data, "list")
    except UnusableList as error:
        return error


def check_line(text: str) -> None:
    """What is taken means the same to `ipaddress`; what is refused has the line's number."""
    found = parsed(text.encode())
    if isinstance(found, UnusableList):
        assert found.line == 1
    else:
        assert found == (NetworkSet.of([ip_network(text.strip())]) if text.strip() else NetworkSet())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_have_a_wrong_line(data: bytes) -> None:
    found = parsed(data)
    if isinstance(found, UnusableList):
        assert 1 <= found.line <= data.count(b"\n") + 1


def test_address_in_a_network_of_the_file_is_in_the_list(tmp_path: Path) -> None:
    file = tmp_path / "office.txt"
    file.write_bytes(OFFICE)
    assert ip_address("10.1.2.3").packed in read_list(str(file))


def test_missing_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "office.txt"
    with pytest.raises(UnusableList) as caught:
        read_list(str(file))
    assert str(caught.value) == f"{file}: cannot be read: No such file or directory"


def test_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UnusableList, match="is not a file"):
        read_list(str(tmp_path / "fifo"))


def test_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as writer:
        writer.truncate(MAX_BYTES + 1)
    with pytest.raises(UnusableList, match="has more than 64 MiB"):
        read_list(str(file))


def test_list_with_too_many_networks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_file, "MAX_NETWORKS", 2)
    assert parse_list(b"10.0.0.1\n::1\n", "office.txt").size == 2
    assert problem_of(b"10.0.0.1\n::1\n10.0.0.3\n") == "office.txt:3: is network 3; a list has 2 at most"


def test_state_changes_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "office.txt"
    missing = state_of(str(file))
    file.write_bytes(b"10.0.0.0/8\n")
    first = state_of(str(file))
    file.write_bytes(b"10.0.0.0/16\n")
    assert len({missing, first, state_of(str(file))}) == 3


WIDE = [
    ("0.0.0.0/0", 8),
    ("0.0.0.0/1", 8),
    ("126.0.0.0/7", 8),
    ("::/0", 16),
    ("2000::/15", 16),
]


@pytest.mark.parametrize(("network", "widest"), WIDE)
def test_too_wide_network_is_wrong_where_the_list_bans(network: str, widest: int) -> None:
    with pytest.raises(UnusableList) as caught:
        parse_list(f"192.0.2.0/24\n{network}\n".encode(), "drop.txt", bans=True)
    problem = f'is "{network}", which holds more than a /{widest}, the widest network that can be banned'
    assert (caught.value.line, caught.value.problem) == (2, problem)


@pytest.mark.parametrize(("network", "widest"), WIDE)
def test_rules_may_be_about_everybody(network: str, widest: int) -> None:
    assert parse_list(network.encode(), "all.txt").size == 1


def test_widest_networks_can_be_banned() -> None:
    assert parse_list(b"10.0.0.0/8\n2001::/16\n", "drop.txt", bans=True).size == 2
