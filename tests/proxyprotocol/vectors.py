"""Headers as other senders made them, field by field; HAProxy 3.5-dev5 and 2.6.12 if nothing else is said."""

SIGNATURE = "0d0a0d0a 000d0a51 5549540a"

PLAIN = bytes.fromhex(
    SIGNATURE
    + "21"  # version 2, PROXY
    + "11"  # INET, STREAM
    + "000c"  # 12 bytes follow
    + "7f000001 7f000001"  # 127.0.0.1 to 127.0.0.1
    + "c490 5209"  # ports 50320 and 21001
)

SSL_BUT_NO_TLS = bytes.fromhex(
    SIGNATURE
    + "21 11 0014"  # version 2, PROXY; INET, STREAM; 20 bytes follow
    + "7f000001 7f000001 a75a 520a"  # addresses and ports
    + "20 0005"  # SSL, 5 bytes
    + "00"  # client: no TLS
    + "00000000"  # verify 0
)

TLS13_WITH_ALPN = bytes.fromhex(
    SIGNATURE
    + "21 11 0025"  # 37 bytes follow
    + "7f000001 7f000001 c1bc 520c"
    + "01 0004 696d6170"  # ALPN "imap"
    + "20 000f"  # SSL, 15 bytes
    + "01 00000000"  # client: TLS; verify 0
    + "21 0007 544c5376312e33"  # VERSION "TLSv1.3"
)

TLS12 = bytes.fromhex(
    SIGNATURE
    + "21 11 001e"
    + "7f000001 7f000001 c1c4 520c"
    + "20 000f 01 00000000"
    + "21 0007 544c5376312e32"  # VERSION "TLSv1.2"
)

CLIENT_CERTIFICATE = bytes.fromhex(
    SIGNATURE
    + "21 11 0033"
    + "7f000001 7f000001 ba68 520d"
    + "20 0024"
    + "07 00000000"  # TLS, certificate on this connection and in the session; verified
    + "21 0007 544c5376312e33"
    + "22 0012 616c696365406578616d706c652e74657374"  # CN "alice@example.test"
)

CLIENT_CERTIFICATE_RESUMED = bytes.fromhex(
    SIGNATURE
    + "21 11 0033"
    + "7f000001 7f000001 ba78 520d"
    + "20 0024"
    + "05 00000000"  # TLS, certificate in the session only; verified
    + "21 0007 544c5376312e33"
    + "22 0012 616c696365406578616d706c652e74657374"
)

SELF_SIGNED = bytes.fromhex(
    SIGNATURE
    + "21 11 0028"
    + "7f000001 7f000001 86fc 520e"
    + "20 0019"
    + "07 00000012"  # a certificate; verify 18, self-signed
    + "21 0007 544c5376312e33"
    + "22 0007 6d616c6c6f7279"  # CN "mallory"
)

ALL_OPTIONS = bytes.fromhex(
    SIGNATURE
    + "21 11 00bc"
    + "7f000001 7f000001 935a 520f"
    + "e1 0003 666f6f"  # custom "foo"
    + "03 0004 5aa97bee"  # CRC32C
    + "01 0004 696d6170"  # ALPN "imap"
    + "02 0011 6d61696c2e6578616d706c652e74657374"  # AUTHORITY "mail.example.test"
    + "05 002e"  # UNIQUE_ID, 46 bytes
    + "37463030303030313a393335415f37463030303030313a353230465f36423030463639365f303031323a33433837"
    + "20 0054 07 00000000"  # SSL, 84 bytes
    + "21 0007 544c5376312e33"
    + "22 0012 616c696365406578616d706c652e74657374"
    + "25 0007 52534132303438"  # KEY_ALG "RSA2048"
    + "24 000a 5253412d534841323536"  # SIG_ALG "RSA-SHA256"
    + "23 0016 544c535f4145535f3235365f47434d5f534841333834"  # CIPHER "TLS_AES_256_GCM_SHA384"
)

EC_CERTIFICATE = bytes.fromhex(
    SIGNATURE
    + "21 11 0067"
    + "7f000001 7f000001 ee1e 5210"
    + "03 0004 6240f158"  # CRC32C
    + "02 0011 6d61696c2e6578616d706c652e74657374"
    + "20 003d 01 00000000"
    + "21 0007 544c5376312e33"
    + "25 0005 4543323536"  # KEY_ALG "EC256"
    + "24 000a 5253412d534841323536"
    + "23 0016 544c535f4145535f3235365f47434d5f534841333834"
)

IPV6 = bytes.fromhex(
    SIGNATURE
    + "21 21 002c"  # INET6, STREAM; 44 bytes follow
    + "00000000000000000000000000000001"  # ::1
    + "00000000000000000000000000000001"
    + "91a0 5212"
    + "20 0005 00 00000000"
)

UNIX_CLIENT_OR_CHECK = bytes.fromhex(
    SIGNATURE
    + "20"  # version 2, LOCAL
    + "00"  # UNSPEC
    + "0008"
    + "20 0005 00 00000000"
)

HAPROXY = {
    "plain": PLAIN,
    "ssl, no tls": SSL_BUT_NO_TLS,
    "tls 1.3, alpn": TLS13_WITH_ALPN,
    "tls 1.2": TLS12,
    "client certificate": CLIENT_CERTIFICATE,
    "client certificate, resumed": CLIENT_CERTIFICATE_RESUMED,
    "self-signed": SELF_SIGNED,
    "all options": ALL_OPTIONS,
    "ec certificate": EC_CERTIFICATE,
    "ipv6": IPV6,
    "unix client or check": UNIX_CLIENT_OR_CHECK,
}

AWS_HEALTH_CHECK = bytes.fromhex(
    SIGNATURE
    + "20"  # version 2, LOCAL
    + "11"  # INET, STREAM
    + "0054"  # 84 bytes follow, and no addresses are among them
    + "03 0004 bce5951f"  # CRC32C
    + "04 004a"  # NOOP, 74 bytes
    + "00" * 74
)
"""What AWS's Network Load Balancer checks its targets with."""
