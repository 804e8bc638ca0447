"""What the demo shows of clients and servers."""

from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address

from mailproxy.demo.report import COLUMNS, change, learnt, log_line, refused
from mailproxy.demo.visit import Visit
from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, TlvType

PROXY = IPv4Address("TCP", "127.0.0.1", 50000)
SERVER = IPv4Address("TCP", "127.0.0.11", 11143)
CLIENT = InetAddress(ip_address("192.0.2.7"), 40000)
FRONT = InetAddress(ip_address("127.0.0.1"), 10993)
FACTS = (
    Tlv(SslType.VERSION, b"TLSv1.3"),
    Tlv(SslType.CIPHER, b"TLS_AES_256_GCM_SHA384"),
    Tlv(SslType.CN, b"alice"),
    Tlv(SslType.GROUP, b"x25519"),
)


def shown(header: Header) -> list[str]:
    return learnt(Visit("d1", "alice logs in by IMAP", PROXY, SERVER, header)).splitlines()


def reported(
    client: SslClient = SslClient.SSL | SslClient.CERT_CONN, verify: int = 0, name: bytes = b"localhost"
) -> list[str]:
    ssl = SslTlv(client, verify, FACTS).tlv()
    return shown(Header.proxy(CLIENT, FRONT, (Tlv(TlvType.AUTHORITY, name), ssl)))


def fact(label: str, lines: list[str]) -> str:
    """What the header says, of one fact."""
    (line,) = (line for line in lines if line.startswith(f"  {label}"))
    return line.split("   ")[-1].strip()


def test_both_truths_are_side_by_side() -> None:
    assert reported() == [
        "d1: alice logs in by IMAP",
        "               the socket says           the PROXY header says",
        "  client       127.0.0.1:50000           192.0.2.7:40000",
        "  came to      127.0.0.11:11143          127.0.0.1:10993",
        "  encryption   none, plaintext           TLSv1.3, TLS_AES_256_GCM_SHA384, x25519",
        "  certificate  none                      alice, verified",
        "  server name  none                      localhost",
    ]


def test_name_of_an_unverified_certificate_is_not_reported() -> None:
    assert fact("certificate", reported(verify=18)) == "none"


def test_missing_certificate_is_reported() -> None:
    assert fact("certificate", reported(SslClient.SSL, verify=1)) == "none"


def test_plain_connection_is_reported() -> None:
    assert fact("encryption", shown(Header.proxy(CLIENT, FRONT))) == "none"


def test_connection_of_the_proxys_own_is_reported() -> None:
    assert fact("client", shown(Header.local())) == "the proxy itself"


def test_name_cannot_steer_the_terminal() -> None:
    assert fact("server name", reported(name=b"a\x1b[2Jb")) == "a?[2Jb"


def test_long_name_stays_within_the_columns() -> None:
    lines = reported(name=b"a" * 200)
    assert max(map(len, lines)) <= COLUMNS
    assert "".join(line[41:] for line in lines[6:]) == "a" * 200


def test_line_of_a_servers_log_is_wrapped() -> None:
    lines = log_line("d1", "imap-login: Info: Login: user=<alice>, " + "rip=192.0.2.7, " * 10).splitlines()
    assert lines[0] == "d1 writes into its log"
    assert lines[1].startswith("  imap-login: Info: Login: ")
    assert max(map(len, lines)) <= COLUMNS


def test_server_that_goes_down_is_shown_once_for_all_protocols() -> None:
    event = {"event": "server", "server": "d1", "state": "down", "reason": "connection refused"}
    shown = [change(event | {"protocol": protocol}) for protocol in ("pop3", "imap", "lmtp")]
    assert shown == [None, "mailproxy's checks find d1 down: connection refused", None]


def test_other_changes_of_a_server_are_not_shown() -> None:
    assert change({"event": "server", "server": "d1", "state": "weight", "protocol": "imap", "reason": ""}) is None


def test_refused_client_is_shown() -> None:
    assert refused("d1", "only 0 bytes of a PROXY header within 2 s", PROXY) == (
        "d1 refuses 127.0.0.1:50000: only 0 bytes of a PROXY header within 2 s"
    )


def test_ipv6_address_is_in_brackets() -> None:
    visit = Visit("d1", "alice logs in by IMAP", IPv6Address("TCP", "::1", 50000), SERVER, Header.proxy(CLIENT, FRONT))
    assert "[::1]:50000" in learnt(visit)
