"""Which server names are clean."""

import pytest

from mailproxy.tls.dns_name import is_dns_name

LABEL = "a" * 49


@pytest.mark.parametrize(
    "name",
    ["mail.example.org", "MAIL.Example.test", "localhost", "xn--bcher-kva.example", "_imap.a-b.c1", "1and1.example"],
)
def test_clean_name_is_accepted(name: str) -> None:
    assert is_dns_name(name)


@pytest.mark.parametrize("name", ["", ".", "mail.example.", ".example", "a..b", "-a.example", "a-.example"])
def test_labels_are_not_empty_and_hyphens_are_inside(name: str) -> None:
    assert not is_dns_name(name)


@pytest.mark.parametrize("name", ["a b", "a\n", "a\0b", "a/b", "a%00b", "*.example", "mail.example:993", "2001:db8::1"])
def test_other_characters_are_not_clean(name: str) -> None:
    assert not is_dns_name(name)


@pytest.mark.parametrize("name", ["bücher.example", "１.example", "\udcff.example"])
def test_name_is_ascii(name: str) -> None:
    assert not is_dns_name(name)


def test_ipv4_address_is_no_name() -> None:
    assert not is_dns_name("192.0.2.1")


@pytest.mark.parametrize(("name", "clean"), [("a" * 63 + ".example", True), ("a" * 64 + ".example", False)])
def test_label_has_63_bytes_at_most(name: str, clean: bool) -> None:
    assert is_dns_name(name) is clean


@pytest.mark.parametrize(("last", "clean"), [("abc", True), ("abcd", False)])
def test_name_has_253_bytes_at_most(last: str, clean: bool) -> None:
    assert is_dns_name(".".join([LABEL] * 5 + [last])) is clean
