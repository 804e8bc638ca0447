"""hosts(5)."""

from ipaddress import ip_address

from mailproxy.names.hosts import parse_hosts


def test_each_name_of_a_line_has_its_address() -> None:
    addresses = (ip_address("192.0.2.1"),)
    assert parse_hosts("192.0.2.1\tD1.example.org. d1") == {"d1.example.org": addresses, "d1": addresses}


def test_addresses_of_several_lines_are_kept_in_order() -> None:
    text = "192.0.2.2 d1\n2001:db8::1 d1\n192.0.2.1 d1\n"
    assert [str(address) for address in parse_hosts(text)["d1"]] == ["192.0.2.2", "2001:db8::1", "192.0.2.1"]


def test_comments_and_lines_without_sense_are_left_out() -> None:
    assert parse_hosts("# 192.0.2.1 a\n\n192.0.2 b\nc\n192.0.2.1 # d\n") == {}
