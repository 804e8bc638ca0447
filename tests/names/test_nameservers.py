"""resolv.conf(5)."""

from ipaddress import ip_address

from mailproxy.names.exchange import Nameserver
from mailproxy.names.nameservers import parse_resolv_conf


def test_nameservers_are_asked_in_order() -> None:
    text = "search example.org\nnameserver 192.0.2.53\noptions timeout:1\nnameserver 2001:db8::53 # second\n"
    assert parse_resolv_conf(text) == (
        Nameserver(ip_address("192.0.2.53")),
        Nameserver(ip_address("2001:db8::53")),
    )


def test_nameservers_beyond_the_third_are_left_out() -> None:
    text = "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6))
    assert [str(nameserver) for nameserver in parse_resolv_conf(text)] == [f"192.0.2.{n}:53" for n in (1, 2, 3)]


def test_lines_without_sense_are_left_out() -> None:
    text = "nameserver\nnameserver ns.example.org\nnameserver fe80::1%eth0\n"
    assert [str(nameserver) for nameserver in parse_resolv_conf(text)] == ["[fe80::1%eth0]:53"]


def test_without_any_the_local_one_is_asked() -> None:
    assert parse_resolv_conf("") == (Nameserver(ip_address("127.0.0.1")),)
