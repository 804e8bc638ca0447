from ipaddress import IPv4Address, IPv6Address

import pytest

from mailproxy.proxyprotocol import InetAddress, UnixAddress


@pytest.mark.parametrize("text", ["192.0.2.1:25", "[2001:db8::1]:65535", "[::]:0"])
def test_text_form_is_read_back(text: str) -> None:
    assert str(InetAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "192.0.2.256:1", "192.0.2.1:65536", "::1:25", "[192.0.2.1]:25", "192.0.2.1:", "[::1]:+5", ""]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        InetAddress.parse(text)


def test_text_without_a_port_is_explained() -> None:
    with pytest.raises(ValueError, match=r"'192.0.2.1' is not an address with a port like 192.0.2.1:25 or"):
        InetAddress.parse("192.0.2.1")


def test_scope_is_dropped() -> None:
    assert InetAddress(IPv6Address("fe80::1%eth0"), 1) == InetAddress(IPv6Address("fe80::1"), 1)


def test_port_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="65536"):
        InetAddress(IPv4Address("192.0.2.1"), 65536)


def test_mapped_and_unmapped_are_inverse() -> None:
    address = InetAddress.parse("192.0.2.1:25")
    assert address.mapped == InetAddress.parse("[::ffff:192.0.2.1]:25")
    assert address.mapped.unmapped == address


def test_addresses_of_the_right_family_stay() -> None:
    v4, v6 = InetAddress.parse("192.0.2.1:25"), InetAddress.parse("[2001:db8::1]:25")
    assert (v4.unmapped, v6.unmapped, v6.mapped) == (v4, v6, v6)


def test_unix_path_ends_at_its_first_nul() -> None:
    assert UnixAddress(b"/run/mail\0left behind").path == b"/run/mail"


def test_abstract_unix_name_keeps_its_nuls() -> None:
    assert UnixAddress(b"\0mail\0proxy\0\0").path == b"\0mail\0proxy"


def test_unix_addresses_are_shown_on_one_line() -> None:
    assert str(UnixAddress(b"/run/\xffmail")) == "unix:/run/\\xffmail"
    assert str(UnixAddress(b"\0mail")) == "unix:@mail"


def test_unix_path_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="109"):
        UnixAddress(b"x" * 109)


def test_text_for_an_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"host '192.0.2.1' is not an address of ipaddress; InetAddress.parse"):
        InetAddress("192.0.2.1", 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="path '/run/mail' is not of bytes"):
        UnixAddress("/run/mail")  # type: ignore[arg-type]
