"""What the machine says of names."""

import os
from ipaddress import ip_address
from pathlib import Path

from mailproxy.names.exchange import Nameserver
from mailproxy.names.machine import Reread, parse_hosts, parse_resolv_conf

# hosts(5).


def test_each_name_of_a_line_has_its_address() -> None:
    addresses = (ip_address("192.0.2.1"),)
    assert parse_hosts("192.0.2.1\tD1.example.org. d1") == {"d1.example.org": addresses, "d1": addresses}


def test_addresses_of_several_lines_are_kept_in_order() -> None:
    text = "192.0.2.2 d1\n2001:db8::1 d1\n192.0.2.1 d1\n"
    assert [str(address) for address in parse_hosts(text)["d1"]] == ["192.0.2.2", "2001:db8::1", "192.0.2.1"]


def test_comments_and_lines_without_sense_are_left_out() -> None:
    assert parse_hosts("# 192.0.2.1 a\n\n192.0.2 b\nc\n192.0.2.1 # d\n") == {}


# resolv.conf(5).


def test_nameservers_are_asked_in_order() -> None:
    text = "search example.org\nnameserver 192.0.2.53\noptions timeout:1\nnameserver 2001:db8::53 # second\n"
    assert parse_resolv_conf(text) == (
        Nameserver(ip_address("192.0.2.53")),
        Nameserver(ip_address("2001:db8::53")),
    )


def test_nameservers_beyond_the_third_are_left_out() -> None:
    text = "".join(f"nameserver 192.0.2.{n}\n" for n in range(1, 6))
    assert [str(nameserver) for nameserver in parse_resolv_conf(text)] == [f"192.0.2.{n}:53" for n in (1, 2, 3)]


def test_nameservers_without_sense_are_left_out() -> None:
    text = "nameserver\nnameserver ns.example.org\nnameserver fe80::1%eth0\n"
    assert [str(nameserver) for nameserver in parse_resolv_conf(text)] == ["[fe80::1%eth0]:53"]


def test_without_any_the_local_one_is_asked() -> None:
    assert parse_resolv_conf("") == (Nameserver(ip_address("127.0.0.1")),)


# A file that changes.


def test_file_is_parsed_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    parsed = []
    reread = Reread(str(path), lambda text: parsed.append(text) or text)  # type: ignore[func-returns-value]  # brief
    assert [reread(), reread()] == ["one", "one"]
    path.write_text("other")
    assert reread() == "other"
    assert parsed == ["", "one", "other"]


def test_file_that_replaces_another_is_read(tmp_path: Path) -> None:
    path, new = tmp_path / "hosts", tmp_path / "new"
    path.write_text("one")
    new.write_text("two")
    os.utime(path, ns=(0, 0))
    os.utime(new, ns=(0, 0))
    reread = Reread(str(path), str)
    assert reread() == "one"
    new.replace(path)
    assert reread() == "two"


def test_missing_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    reread = Reread(str(path), str)
    assert reread() == ""
    path.write_text("one")
    assert reread() == "one"
    path.unlink()
    assert reread() == ""


def test_file_that_cannot_be_read_says_what_it_said(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    reread = Reread(str(path), str)
    assert reread() == "one"
    path.unlink()
    path.mkdir()
    assert reread() == "one"
