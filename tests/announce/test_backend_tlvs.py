"""Which TLVs a backend gets."""

from collections.abc import Mapping

import pytest
from attrs import evolve, frozen

from mailproxy.announce.backend_tlvs import MAX_VALUE, BackendTlvs, TlvLike
from mailproxy.announce.left_out import LeftOut
from mailproxy.proxyprotocol import Header, SslClient, SslTlv, SslType, Tlv, TlvType, tlv_name
from mailproxy.proxyprotocol.tlv import UNIQUE_ID_SIZE
from mailproxy.tls.facts import TlsFacts
from tests.announce.builders import ALICE, TLS13, Settings

UPSTREAM_TLS = SslTlv(SslClient.SSL, 1, (Tlv(SslType.VERSION, b"TLSv1.2"), Tlv(0x2F, b"\0new"))).tlv()
UPSTREAM_CLEAR = SslTlv(SslClient(0), 1).tlv()


class Filled:
    """A format that always comes out the same, and remembers what it was given."""

    def __init__(self, value: bytes) -> None:
        self.value = value
        self.words: list[Mapping[str, str]] = []

    def fill(self, words: Mapping[str, str]) -> bytes:
        self.words.append(words)
        return self.value


@frozen
class Set:
    """A TLV that the configuration sets."""

    type: int
    value: bytes | Filled


def chosen(
    settings: Settings,
    facts: TlsFacts | None = TLS13,
    *received: Tlv,
    unique_id: bytes = b"id-1",
    protocol: str = "imap",
) -> tuple[list[Tlv], tuple[LeftOut, ...]]:
    tlvs, left_out = BackendTlvs(settings, protocol).chosen(facts, Header.local(received), unique_id)
    return list(tlvs), left_out


def v2(
    *options: str, profile: str = "generic", tlvs: tuple[TlvLike, ...] = (), pass_tlvs: tuple[int, ...] = ()
) -> Settings:
    return Settings(profile, "v2", frozenset(options), tlvs, pass_tlvs)


def test_plain_v2_says_nothing() -> None:
    assert chosen(v2(), TLS13, UPSTREAM_TLS, Tlv(TlvType.AUTHORITY, b"up.example")) == ([], ())


def test_order_is_haproxys() -> None:
    settings = v2(
        "alpn",
        "authority",
        "crc32c",
        "unique-id",
        "ssl-cipher",
        tlvs=(Tlv(0xE1, b"a"), Tlv(0xE0, b"")),
        pass_tlvs=(0xEE,),
    )
    tlvs, _ = chosen(settings, TLS13, Tlv(0xEE, b"b"))
    assert [tlv.type for tlv in tlvs] == [0xE1, 0xE0, 0xEE, 0x03, 0x01, 0x02, 0x05, 0x20]


def test_alpn_is_the_negotiated_one() -> None:
    assert chosen(v2("alpn")) == ([Tlv(TlvType.ALPN, b"imap")], ())


def test_without_alpn_there_is_none() -> None:
    assert chosen(v2("alpn"), evolve(TLS13, alpn=None)) == ([], ())


def test_alpn_that_the_backend_drops_connections_over_is_left_out() -> None:
    tlvs, left_out = chosen(v2("alpn", profile="dovecot"), evolve(TLS13, alpn=b"smtp"), protocol="submission")
    assert tlvs == []
    assert left_out == (LeftOut("ALPN", "dovecot takes no b'smtp' for submission"),)


def test_authority_is_the_server_name_with_its_case() -> None:
    tlvs, _ = chosen(v2("authority"), evolve(TLS13, server_name="MAIL.Example.test"))
    assert tlvs == [Tlv(TlvType.AUTHORITY, b"MAIL.Example.test")]


def test_server_name_that_is_no_dns_name_is_left_out() -> None:
    tlvs, left_out = chosen(v2("authority"), evolve(TLS13, server_name="a b\n"))
    assert tlvs == []
    assert left_out == (LeftOut("AUTHORITY", "the server name that the client asked for is not a DNS name"),)


def test_received_authority_stands_for_the_server_name() -> None:
    settings = v2("authority", pass_tlvs=(TlvType.AUTHORITY,))
    tlvs, left_out = chosen(settings, evolve(TLS13, server_name="a b"), Tlv(TlvType.AUTHORITY, b"up.example"))
    assert tlvs == [Tlv(TlvType.AUTHORITY, b"up.example")]
    assert left_out == ()


def test_received_authority_is_not_ours_unless_passed_on() -> None:
    tlvs, _ = chosen(v2("authority"), TLS13, Tlv(TlvType.AUTHORITY, b"up.example"))
    assert tlvs == [Tlv(TlvType.AUTHORITY, b"mail.example.test")]


def test_server_name_is_reported_if_no_authority_came_in() -> None:
    tlvs, _ = chosen(v2("authority", pass_tlvs=(TlvType.AUTHORITY,)))
    assert tlvs == [Tlv(TlvType.AUTHORITY, b"mail.example.test")]


def test_received_authority_that_the_backend_drops_connections_over_is_left_out() -> None:
    settings = v2(profile="dovecot", pass_tlvs=(TlvType.AUTHORITY,))
    tlvs, left_out = chosen(settings, TLS13, Tlv(TlvType.AUTHORITY, "bücher.example".encode()))
    assert tlvs == []
    assert left_out == (LeftOut("AUTHORITY", "dovecot takes no such name"),)


def test_unique_id_is_reported_on_request() -> None:
    assert chosen(v2("unique-id")) == ([Tlv(TlvType.UNIQUE_ID, b"id-1")], ())
    assert chosen(v2()) == ([], ())


def test_unique_id_that_came_in_stands_for_ours() -> None:
    tlvs, _ = chosen(v2("unique-id", pass_tlvs=(TlvType.UNIQUE_ID,)), TLS13, Tlv(TlvType.UNIQUE_ID, b"theirs"))
    assert tlvs == [Tlv(TlvType.UNIQUE_ID, b"theirs")]


def test_unique_id_of_more_than_128_bytes_is_our_bug() -> None:
    with pytest.raises(ValueError, match="129 bytes, at most 128"):
        chosen(v2("unique-id"), unique_id=bytes(129))


def test_tlvs_are_passed_on_unchanged_in_order_with_repeats() -> None:
    received = (Tlv(0xEE, b"\x01\0\0\0\0"), Tlv(0xE3, b""), Tlv(0xE4, b"not asked for"), Tlv(0xEE, b"again"))
    tlvs, left_out = chosen(v2(pass_tlvs=(0xE3, 0xEE)), None, *received)
    assert tlvs == [received[0], received[1], received[3]]
    assert left_out == ()


def test_constant_stands_for_what_came_in() -> None:
    constant = Tlv(0xE3, b"constant")
    tlvs, _ = chosen(v2(tlvs=(constant,), pass_tlvs=(0xE3,)), TLS13, Tlv(0xE3, b"theirs"))
    assert tlvs == [constant]


@pytest.mark.parametrize("type", [TlvType.ALPN, TlvType.AUTHORITY, TlvType.UNIQUE_ID])
def test_only_the_first_of_a_single_type_is_passed_on(type: TlvType) -> None:
    tlvs, left_out = chosen(v2(pass_tlvs=(type,)), TLS13, Tlv(type, b"one"), Tlv(type, b"two"))
    assert tlvs == [Tlv(type, b"one")]
    assert left_out == (LeftOut(type.name, "it came in more than once"),)


@pytest.mark.parametrize("option", ["ssl-cipher", "cert-sig", "cert-key", "group", "client-cert"])
def test_option_about_tls_asks_for_the_ssl_tlv(option: str) -> None:
    tlvs, _ = chosen(v2(option))
    assert [tlv.type for tlv in tlvs] == [TlvType.SSL]


def test_common_name_is_reported_by_v2_ssl_cn_alone() -> None:
    with_cn, _ = chosen(Settings(send_proxy="v2-ssl-cn"), ALICE)
    without, _ = chosen(Settings(send_proxy="v2-ssl"), ALICE)
    assert SslTlv.parse(with_cn[0].value).common_name == "alice@example.test"
    assert SslTlv.parse(without[0].value).common_name is None


def test_received_ssl_tlv_is_not_ours_unless_passed_on() -> None:
    tlvs, _ = chosen(Settings(), None, UPSTREAM_TLS)
    assert tlvs == [UPSTREAM_CLEAR]


def test_received_ssl_tlv_is_passed_on_unchanged() -> None:
    settings = Settings(pass_tlvs=(TlvType.SSL,))
    assert chosen(settings, None, UPSTREAM_TLS) == ([UPSTREAM_TLS], ())
    assert chosen(settings, TLS13, UPSTREAM_TLS) == ([UPSTREAM_TLS], ())
    assert chosen(settings, None, UPSTREAM_CLEAR) == ([UPSTREAM_CLEAR], ())


def certified(*fields: Tlv) -> Tlv:
    return SslTlv(SslClient.SSL | SslClient.CERT_SESS, 0, (Tlv(SslType.VERSION, b"TLSv1.3"), *fields)).tlv()


def test_received_common_name_is_passed_on() -> None:
    alice = certified(Tlv(SslType.CN, b"alice"))
    assert chosen(Settings(pass_tlvs=(TlvType.SSL,)), None, alice) == ([alice], ())


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ((b"alice\0evil",), "it has unprintable characters"),
        ((b"alice", b"bob"), "the certificate has 2 of them"),
    ],
)
def test_received_common_name_that_we_would_not_send_is_left_out(names: tuple[bytes, ...], reason: str) -> None:
    cipher = Tlv(SslType.CIPHER, b"AES")
    came = certified(*(Tlv(SslType.CN, name) for name in names), cipher)
    tlvs, left_out = chosen(Settings(pass_tlvs=(TlvType.SSL,)), None, came)
    assert tlvs == [certified(cipher)]
    assert left_out == (LeftOut("SSL_CN", reason),)


def test_received_ssl_tlv_without_tls_does_not_hide_ours() -> None:
    tlvs, _ = chosen(Settings(pass_tlvs=(TlvType.SSL,)), TLS13, UPSTREAM_CLEAR)
    assert [tlv.type for tlv in tlvs] == [TlvType.SSL]
    assert SslTlv.parse(tlvs[0].value).client == SslClient.SSL


def test_received_ssl_tlv_is_passed_on_without_one_of_ours() -> None:
    assert chosen(v2(pass_tlvs=(TlvType.SSL,)), TLS13, UPSTREAM_CLEAR) == ([UPSTREAM_CLEAR], ())


def test_received_version_that_fills_the_header_is_left_out_for_ours() -> None:
    fat = SslTlv(SslClient.SSL, 1, (Tlv(SslType.VERSION, b"T" * 62),)).tlv()
    tlvs, left_out = chosen(Settings(pass_tlvs=(TlvType.SSL,)), None, fat)
    assert tlvs == [UPSTREAM_CLEAR]
    assert left_out == (LeftOut("SSL", "65 bytes of VERSION, no more than 64 are passed on"),)


@pytest.mark.parametrize("type", [TlvType.CRC32C, TlvType.NOOP, TlvType.SSL])
def test_what_the_codec_writes_cannot_be_set(type: TlvType) -> None:
    with pytest.raises(ValueError, match=f"TLV {type.name} cannot be set: the codec writes it"):
        BackendTlvs(v2(tlvs=(Tlv(type, b""),)), "imap")


@pytest.mark.parametrize("value", [b"set", Filled(b"set")])
def test_what_is_set_stands_for_our_own_and_for_what_came_in(value: bytes | Filled) -> None:
    types = (TlvType.ALPN, TlvType.AUTHORITY, TlvType.UNIQUE_ID)
    settings = v2(
        "alpn", "authority", "unique-id", tlvs=tuple(Set(type, value) for type in types), pass_tlvs=tuple(types)
    )
    tlvs, left_out = chosen(settings, TLS13, *(Tlv(type, b"came") for type in types))
    assert tlvs == [Tlv(type, b"set") for type in types]
    assert left_out == ()


def test_any_other_type_may_be_set() -> None:
    tlvs, _ = chosen(v2(tlvs=(Tlv(0xFF, b"a"), Tlv(TlvType.NETNS, b"b"), Tlv(0x06, b"c"))))
    assert tlvs == [Tlv(0xFF, b"a"), Tlv(TlvType.NETNS, b"b"), Tlv(0x06, b"c")]


def test_format_is_filled_in_its_place() -> None:
    settings = v2(tlvs=(Tlv(0xE1, b"a"), Set(0xE2, Filled(b"b")), Tlv(0xE3, b"c")))
    assert [tlv.value for tlv in chosen(settings)[0]] == [b"a", b"b", b"c"]


def test_format_gets_the_sessions_words() -> None:
    value = Filled(b"")
    BackendTlvs(v2(tlvs=(Set(0xE1, value),)), "imap").chosen(None, None, b"", {"tls": "TLSv1.3"})
    assert value.words == [{"tls": "TLSv1.3"}]


def test_custom_format_may_come_out_empty_and_a_name_is_left_out_then() -> None:
    types = (0xE1, TlvType.NETNS, TlvType.ALPN, TlvType.AUTHORITY, TlvType.UNIQUE_ID)
    settings = v2("alpn", "authority", "unique-id", tlvs=tuple(Set(type, Filled(b"")) for type in types))
    assert chosen(settings) == ([Tlv(0xE1, b""), Tlv(TlvType.NETNS, b"")], ())


@pytest.mark.parametrize(("type", "most"), [(0xE1, MAX_VALUE), (TlvType.UNIQUE_ID, UNIQUE_ID_SIZE)])
def test_format_that_comes_out_too_long_is_left_out(type: int, most: int) -> None:
    fits, too_long = (Set(type, Filled(b"x" * size)) for size in (most, most + 1))
    assert len(chosen(v2(tlvs=(fits,)))[0]) == 1
    assert chosen(v2(tlvs=(too_long,))) == (
        [],
        (LeftOut(tlv_name(type), f"its format may make at most {most}", most + 1),),
    )


def test_format_that_the_backend_drops_connections_over_is_left_out() -> None:
    settings = v2(profile="dovecot", tlvs=(Set(TlvType.ALPN, Filled(b"smtp")),))
    assert chosen(settings, protocol="submission") == (
        [],
        (LeftOut("ALPN", "dovecot takes no b'smtp' for submission"),),
    )


def test_constant_that_the_backend_drops_connections_over_is_refused() -> None:
    with pytest.raises(ValueError, match="TLV ALPN cannot be set: dovecot takes no b'smtp' for submission"):
        BackendTlvs(v2(profile="dovecot", tlvs=(Tlv(TlvType.ALPN, b"smtp"),)), "submission")


@pytest.mark.parametrize("type", [TlvType.CRC32C, TlvType.NOOP])
def test_what_is_about_its_own_header_is_not_passed_on(type: TlvType) -> None:
    with pytest.raises(ValueError, match=f"TLV {type.name} cannot be passed on: it belongs to the header"):
        BackendTlvs(v2(pass_tlvs=(type,)), "imap")
