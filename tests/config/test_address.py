from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from mailproxy.config import InetBind, InetServer, NamedServer, SrvServer, SystemdBind, UnixBind, UnixServer
from mailproxy.config.address import BINDS, MAX_PORTS, SERVER
from mailproxy.config.kind import WrongValue


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0:993", InetBind(IPv4Address("0.0.0.0"), 993)),
        ("*:993", InetBind(IPv4Address("0.0.0.0"), 993)),
        (":993", InetBind(IPv4Address("0.0.0.0"), 993)),
        (":::993", InetBind(IPv6Address("::"), 993)),
        ("[::]:993", InetBind(IPv6Address("::"), 993)),
        ("[2001:DB8::1]:143", InetBind(IPv6Address("2001:db8::1"), 143)),
        ("[fe80::1%eth0]:143", InetBind(IPv6Address("fe80::1%eth0"), 143)),
        ("127.0.0.1:0", InetBind(IPv4Address("127.0.0.1"), 0)),
        ("/run/mail.sock", UnixBind("/run/mail.sock")),
    ],
)
def test_bind_is_an_address_and_port_or_a_path(text: str, expected: object) -> None:
    assert BINDS.read(text) == (expected,)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("10.0.0.1:143-145", "10.0.0.1"),
        (":143-145", "0.0.0.0"),
        ("*:143-145", "0.0.0.0"),
        (":::143-145", "::"),
        ("[::1]:143-145", "::1"),
    ],
)
def test_range_of_ports_is_each_of_them(text: str, host: str) -> None:
    assert BINDS.read(text) == tuple(InetBind(ip_address(host), port) for port in (143, 144, 145))


def test_range_may_be_one_port() -> None:
    assert BINDS.read(":143-143") == (InetBind(IPv4Address("0.0.0.0"), 143),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (":145-143", "in which 145-143 is not a range of ports; it goes up, from 1 or more"),
        (":0-143", "in which 0-143 is not a range of ports; it goes up, from 1 or more"),
        (":143-", 'in which "" is not a port'),
        (":143-145-147", "in which 145-147 is a range of ports; needs one port"),
        (":143-65536", 'in which "65536" is not a port'),
        (f":1-{MAX_PORTS + 1}", f"a range of {MAX_PORTS + 1} ports; at most {MAX_PORTS} are allowed"),
    ],
)
def test_what_is_no_range_is_refused(text: str, complaint: str) -> None:
    assert complaint in refusal(text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("993", 'is "993" without an address; write ":993" for every IPv4 address'),
        (":80,:443", 'is ":80,:443"; write each address as an entry of its own'),
        ("ipv4@:993", 'is "ipv4@:993"; ipv4@ is HAProxy\'s, write "0.0.0.0:993"'),
        ("ipv6@:993", 'is "ipv6@:993"; ipv6@ is HAProxy\'s, write "[::]:993"'),
        ("unix@/run/x", 'is "unix@/run/x"; unix@ is HAProxy\'s, write a path such as "/run/mail.sock"'),
    ],
)
def test_foreign_form_is_refused_with_what_to_write(text: str, complaint: str) -> None:
    assert refusal(text) == complaint


def test_server_has_one_port() -> None:
    with pytest.raises(WrongValue, match="in which 143-145 is a range of ports; needs one port"):
        SERVER.read("10.0.0.1:143-145")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", InetServer(IPv4Address("10.0.0.1"), None)),
        ("10.0.0.1:143", InetServer(IPv4Address("10.0.0.1"), 143)),
        ("[::1]", InetServer(IPv6Address("::1"), None)),
        ("[::1]:65535", InetServer(IPv6Address("::1"), 65535)),
        ("/run/dovecot/imap", UnixServer("/run/dovecot/imap")),
        ("imap.example.org", NamedServer("imap.example.org", None)),
        ("IMAP.example.org.:143", NamedServer("imap.example.org", 143)),
        ("dovecot", NamedServer("dovecot", None)),
        ("1st.example:143", NamedServer("1st.example", 143)),
        ("srv:_imap._tcp.example.org", SrvServer("_imap._tcp.example.org")),
    ],
)
def test_server_is_an_address_a_host_name_a_path_or_a_service(text: str, expected: object) -> None:
    assert SERVER.read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1",
        "10.0.0.1:143",
        "[::1]",
        "[::1]:65535",
        "/run/dovecot/imap",
        "imap.example.org",
        "imap.example.org:143",
        "srv:_imap._tcp.example.org",
    ],
)
def test_addresses_are_shown_as_they_are_written(text: str) -> None:
    assert str(SERVER.read(text)) == text


@pytest.mark.parametrize("text", ["0.0.0.0:993", "[::]:993", "/run/mail.sock"])
def test_binds_are_shown_as_they_are_written(text: str) -> None:
    (bind,) = BINDS.read(text)
    assert str(bind) == text


def refusal(text: str) -> str:
    with pytest.raises(WrongValue) as caught:
        BINDS.read(text)
    return str(caught.value)


def test_bind_needs_a_port() -> None:
    assert refusal("10.0.0.1").startswith('is "10.0.0.1" without a port, needs an address and port such as')


def test_ipv6_needs_brackets() -> None:
    assert refusal("::1:993").endswith('write an IPv6 address in brackets: "[::1]:993"')


def test_ipv4_in_ipv6_form_is_refused() -> None:
    assert refusal("[::ffff:10.0.0.1]:993") == (
        'is "[::ffff:10.0.0.1]:993", an IPv4 address in IPv6 form; write 10.0.0.1'
    )


def test_nobody_listens_on_a_host_name() -> None:
    assert 'in which "mail.example.org" is not an IP address; needs an address and port' in refusal(
        "mail.example.org:993"
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10.0.0.256:143", 'in which "10.0.0.256" is not an IP address; needs an address or a host name such as'),
        ("::1:143", 'write an IPv6 address in brackets: "[::1]:143"'),
        ("imap.example.org:0", "port 0 cannot be connected to"),
        ("imap.example.org:imap", 'in which "imap" is not a port'),
        ("imap.example.org:", 'in which "" is not a port'),
        ("a_b.example", 'in which "a_b" may have only letters, digits and inner hyphens'),
        ("bücher.example:143", 'which is not ASCII; write "xn--bcher-kva.example"'),
        ("srv:imap.example.org", 'needs the name of SRV records such as "_imap._tcp.example.org"'),
        ("srv:_imap._tcp.example.org:143", "may have only letters"),
        ("", "needs an address or a host name such as"),
    ],
)
def test_what_names_no_server_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(WrongValue) as caught:
        SERVER.read(text)
    assert complaint in str(caught.value)


def test_sockets_of_systemd_have_a_name() -> None:
    assert BINDS.read("systemd:imaps") == (SystemdBind("imaps"),)
    assert str(SystemdBind("imaps")) == "systemd:imaps"


@pytest.mark.parametrize("text", ["systemd:", "systemd:a b", "systemd:a:b", "systemd:ä", "systemd:" + 256 * "x"])
def test_name_that_systemd_cannot_have_is_refused(text: str) -> None:
    assert 'needs the FileDescriptorName of a socket unit, such as "systemd:imaps"' in refusal(text)


@pytest.mark.parametrize("port", ["65536", "99999999", "", "-1", "0x1", "٣", "imaps"])
def test_what_is_no_port_is_refused(port: str) -> None:
    assert f'in which "{port}" is not a port; a port is at most 65535' in refusal(f"10.0.0.1:{port}").replace(
        "\\u0663", "٣"
    )


@pytest.mark.parametrize("text", ["", "[]:993", "[::1:993", "10.0.0.1:1:2", "10.0.0.256:1", "[10.0.0.1]:1", "1:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert "needs an address and port such as" in refusal(text)


def test_unix_path_fits_the_kernels_structure() -> None:
    assert BINDS.read("/" + "x" * 106) == (UnixBind("/" + "x" * 106),)
    assert refusal("/" + "x" * 107) == "is a path of 108 bytes; a UNIX socket's path has at most 107"


def test_unix_path_is_measured_in_bytes() -> None:
    assert refusal("/" + "é" * 54) == "is a path of 109 bytes; a UNIX socket's path has at most 107"


@pytest.mark.parametrize("text", ["0.0.0.0:143", "[::]", "224.0.0.1", "10.0.0.1:0"])
def test_server_is_something_to_connect_to(text: str) -> None:
    with pytest.raises(WrongValue, match="connected to"):
        SERVER.read(text)


def test_unix_path_is_printable() -> None:
    assert refusal("/run/a\n") == 'is "/run/a\\n"; the path of a UNIX socket must be printable'
