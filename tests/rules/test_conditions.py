"""Conditions: each key, true, false, and undecided."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from mailproxy.config.measure import Measure
from mailproxy.networks.list_file import parse_list
from mailproxy.networks.network_list import ReadList
from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.unknown import UNKNOWN
from tests.config.builders import FOLDER
from tests.rules.builders import Around, Client, arriving, rules, without_tls

PRINT = "ab" * 32
NAME = Tlv(2, b"a.org")
AZURE = Tlv(0xEE, b"\x01\x92\x10\x00\x00")


def truth(condition: dict[str, Any], client: Client, around: Around | None = None) -> bool | None:
    return rules({"if": condition, "accept": True}, around=around).prepared[0].test(client)


@pytest.mark.parametrize(
    ("condition", "right", "wrong"),
    [
        ({"source": "10.0.0.0/8"}, {}, {"source": ip_address("11.1.2.3").packed}),
        ({"source": ["192.0.2.1", "2001:db8::/32"]}, {"source": ip_address("2001:db8::1").packed}, {}),
        ({"source": "10.0.0.0/8"}, {"source": ip_address("::ffff:10.0.0.1").packed}, {"source": None}),
        ({"source": "unix"}, {"source": None}, {}),
        ({"destination": "192.0.2.1"}, {}, {"destination": ip_address("192.0.2.2").packed}),
        ({"port": [993, 995]}, {}, {"port": 143}),
        ({"port": 993}, {}, {"port": None}),
        ({"sni": "*.Example.org"}, {"sni": "MAIL.example.ORG"}, {"sni": "example.org"}),
        ({"sni": "a.example.org"}, {"sni": "A.example.org."}, {"sni": "a.example.org.x"}),
        ({"sni": r"~\.org$"}, {"sni": "a.example.org.."}, {"sni": "."}),
        ({"sni": "*"}, {}, {"sni": None}),
        ({"alpn": "imap"}, {"alpn": "imap"}, {}),
        ({"tls-version": "1.3"}, {}, {"tls_version": "1.2"}),
        ({"tls-version": ["1.2", "1.3"]}, {"tls_version": "1.2"}, {"tls_version": None}),
        ({"cipher": "*gcm*"}, {}, {"cipher": "ECDHE-RSA-AES128-SHA"}),
        ({"group": "X25519*"}, {}, {"group": None}),
        ({"resumed": True}, {"resumed": True}, {}),
        ({"resumed": False}, {}, {"resumed": None}),
        ({"client-cn": "~^backup-"}, {"client_cn": ("x", "backup-1")}, {"client_cn": ("my-backup-1",)}),
        ({"client-cn": "alice"}, {"client_cn": ("alice",)}, {"client_cn": ("Alice",)}),
        ({"client-san": "*@Example.org"}, {"client_san": ("alice@example.ORG",)}, {}),
        ({"client-issuer": "*O=Example*"}, {"client_issuer": "CN=Clients,O=Example"}, {}),
        ({"client-fingerprint": PRINT.upper()}, {"client_fingerprint": PRINT}, {"client_fingerprint": "cd" * 32}),
        ({"client-verified": True}, {"client_verified": True}, {}),
        ({"client-verified": False}, {}, {"client_verified": None}),
        ({"tlv": {"azure": "4242"}}, {"tlvs": (AZURE,)}, {}),
        ({"tlv": {"0xE5": "blue"}}, {"tlvs": (Tlv(0xE5, b"red"), Tlv(0xE5, b"blue"))}, {"tlvs": (Tlv(0xE4, b"blue"),)}),
        ({"tlv": {"0xE5": "hex:00ff"}}, {"tlvs": (Tlv(0xE5, b"\x00\xff"),)}, {"tlvs": (Tlv(0xE5, b"hex"),)}),
        (
            {"tlv": {"authority": "*.org", "0xE5": "x"}},
            {"tlvs": (Tlv(2, b"a.org"), Tlv(0xE5, b"x"))},
            {"tlvs": (Tlv(2, b"a.org"),)},
        ),
        ({"tlv": {"aws": "vpce-*"}}, {"tlvs": (Tlv(0xEA, b"\x01vpce-1"),)}, {"tlvs": (Tlv(0xEA, b"\x02vpce-1"),)}),
        ({"tlv": {"gcp": "1"}}, {"tlvs": (Tlv(0xE0, bytes(7) + b"\x01"),)}, {"tlvs": (Tlv(0xE0, b"1\x00"),)}),
        ({"port": 993, "sni": "mail.*"}, {}, {"port": 143}),
        ({"any": [{"port": 1}, {"sni": "mail.*"}]}, {}, {"sni": "x"}),
        ({"all": [{"port": 993}, {"sni": "mail.*"}]}, {}, {"sni": "x"}),
        ({"not": {"port": 143}}, {}, {"port": 143}),
        ({"port": 993, "any": [{"sni": "a"}, {"sni": "mail*"}], "not": {"resumed": True}}, {}, {"resumed": True}),
    ],
)
def test_key_is_true_or_false(condition: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert truth(condition, Client(**right)) is True
    assert truth(condition, Client(**wrong)) is False


TLS_KEYS = [
    {"sni": "*"},
    {"alpn": "*"},
    {"tls-version": "1.3"},
    {"cipher": "*"},
    {"group": "*"},
    {"resumed": False},
    {"client-cn": "*"},
    {"client-san": "*"},
    {"client-issuer": "*"},
    {"client-fingerprint": PRINT},
    {"client-verified": False},
]


@pytest.mark.parametrize("condition", TLS_KEYS)
def test_key_of_tls_is_not_known_before_it(condition: dict[str, Any]) -> None:
    assert truth(condition, arriving()) is None


@pytest.mark.parametrize("condition", TLS_KEYS)
def test_key_of_tls_is_false_without_it(condition: dict[str, Any]) -> None:
    assert truth(condition, without_tls()) is False
    assert truth({"not": condition}, without_tls()) is True


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"port": 143, "sni": "*"}, False),
        ({"port": 993, "sni": "*"}, None),
        ({"any": [{"sni": "*"}, {"port": 993}]}, True),
        ({"any": [{"sni": "*"}, {"port": 143}]}, None),
        ({"not": {"sni": "*"}}, None),
        ({"not": {"all": [{"sni": "*"}, {"port": 143}]}}, True),
    ],
)
def test_what_does_not_depend_on_tls_is_known_before_it(condition: dict[str, Any], expected: bool | None) -> None:
    assert truth(condition, arriving()) is expected


def test_list_file_is_looked_up_as_it_is_now() -> None:
    around = Around()
    prepared = rules({"if": {"source": ["@office.txt", "192.0.2.0/24"]}, "accept": True}, around=around).prepared[0]
    assert prepared.test(Client()) is False
    around.lists.take(ReadList(f"{FOLDER}/office.txt", parse_list(b"10.0.0.0/8\n", ""), (1,)))
    assert prepared.test(Client()) is True


@pytest.mark.parametrize(
    ("bounds", "number", "expected"),
    [
        ({"under": 1}, 0, True),
        ({"under": 1}, 1, False),
        ({"over": 1}, 2, True),
        ({"over": 1}, 1, False),
        ({"over": 1, "under": 4}, 3, True),
        ({"over": 1, "under": 4}, 4, False),
        ({"under": 1}, UNKNOWN, None),
    ],
)
@pytest.mark.parametrize("key", ["servers", "frontend", "backend"])
def test_numbers_have_bounds(bounds: dict[str, int], number: Any, expected: bool | None, key: str) -> None:
    name = "imaps" if key == "frontend" else "dovecot"
    condition = {"servers-up": {"backend": name} | bounds} if key == "servers" else {"sessions": {key: name} | bounds}
    assert truth(condition, Client(), Around(numbers={f"{key} {name}": number})) is expected


@pytest.mark.parametrize(
    ("condition", "measure"),
    [
        ({"source-connections": {"over": 20, "per": "/64"}}, Measure("source-connections", 0.0, None, 64)),
        ({"source-rate": {"over": "20/1m"}}, Measure("source-rate", 60.0)),
        ({"handshake-failures": {"over": "20/10m"}}, Measure("handshake-failures", 600.0)),
        ({"auth-failures": {"over": "20/1h", "per": ["/24", "/56"]}}, Measure("auth-failures", 3600.0, 24, 56)),
    ],
)
def test_counts_of_sources_are_compared(condition: dict[str, Any], measure: Measure) -> None:
    (key,) = condition
    around = Around(counts={key: 20.5})
    assert truth(condition, Client(), around) is True
    assert around.asked == [measure]
    assert truth(condition, Client(), Around(counts={key: 20.0})) is False
    assert truth(condition, Client(source=None), Around()) is False
    assert truth(condition, Client(), Around(counts={key: UNKNOWN})) is None


def test_ban_is_looked_up() -> None:
    around = Around(bans=frozenset([ip_address("10.1.2.3").packed]))
    assert truth({"banned": True}, Client(), around) is True
    assert truth({"banned": False}, Client(), around) is False
    assert truth({"banned": True}, Client(source=None), around) is False


@pytest.mark.parametrize(("minute", "expected"), [(8 * 60, True), (18 * 60, False), (5 * 1440 + 600, False)])
def test_time_is_compared(minute: int, expected: bool) -> None:
    assert truth({"time": ["Mon-Fri 08:00-18:00"]}, Client(), Around(now=minute)) is expected


def test_long_value_is_cut_for_a_pattern() -> None:
    client = Client(sni="a" * 255 + "b" * 45)
    assert truth({"sni": "~^a+$"}, client) is True
    assert truth({"sni": "*b"}, client) is False
    assert truth({"sni": "a" * 255}, client) is False
