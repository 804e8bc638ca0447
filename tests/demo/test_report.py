"""What the demo says of a client."""

from ipaddress import ip_address

from mailproxy.demo.report import learnt
from mailproxy.proxyprotocol import Header, InetAddress, SslClient, SslTlv, SslType, Tlv, TlvType

CLIENT = InetAddress(ip_address("192.0.2.7"), 40000)
FRONT = InetAddress(ip_address("127.0.0.1"), 10993)
FACTS = (
    Tlv(SslType.VERSION, b"TLSv1.3"),
    Tlv(SslType.CIPHER, b"TLS_AES_256_GCM_SHA384"),
    Tlv(SslType.CN, b"demo client"),
    Tlv(SslType.GROUP, b"x25519"),
)


def told(client: SslClient = SslClient.SSL | SslClient.CERT_CONN, verify: int = 0, name: bytes = b"localhost") -> str:
    ssl = SslTlv(client, verify, FACTS).tlv()
    return learnt("imap", Header.proxy(CLIENT, FRONT, (Tlv(TlvType.AUTHORITY, name), ssl)))


def test_all_facts_are_told() -> None:
    assert told().splitlines() == [
        "imap server: a client",
        "  client       192.0.2.7:40000, came to 127.0.0.1:10993",
        "  TLS          TLSv1.3, TLS_AES_256_GCM_SHA384, x25519",
        "  certificate  demo client",
        "  server name  localhost",
    ]


def test_name_of_an_unverified_certificate_is_not_told() -> None:
    assert "  certificate  none" in told(verify=18).splitlines()


def test_missing_certificate_is_told() -> None:
    assert "  certificate  none" in told(SslClient.SSL, verify=1).splitlines()


def test_plain_connection_is_told() -> None:
    assert "  TLS          none" in learnt("imap", Header.proxy(CLIENT, FRONT)).splitlines()


def test_proxys_own_connection_is_told() -> None:
    assert "  client       the proxy itself" in learnt("imap", Header.local()).splitlines()


def test_name_cannot_steer_the_terminal() -> None:
    assert "  server name  a?[2Jb" in told(name=b"a\x1b[2Jb").splitlines()
