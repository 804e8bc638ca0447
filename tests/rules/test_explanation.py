"""The explanation of a decision."""

from __future__ import annotations

import pytest

from mailproxy.proxyprotocol import Tlv
from mailproxy.rules.explanation import LONGEST_CONDITION, actions, condition_of, explain, missing
from mailproxy.rules.unknown import UNKNOWN
from tests.rules.builders import Around, Client, arriving, rules, without_tls


def test_each_rule_is_explained_until_one_decides() -> None:
    made = rules(
        {"name": "others", "if": {"source": ["192.0.2.0/24", "unix"], "port": 993}, "refuse": "close"},
        {"if": {"sni": "*.example.org"}, "label": "x", "bandwidth": "1MiB/s"},
        {"name": "office", "if": {"source": "10.0.0.0/8"}, "backend": "other", "tlv": {"type": 0xE5, "value": "a"}},
        {"refuse": "temporary"},
    )
    assert list(explain(made, Client())) == [
        "rule others: does not match",
        "  port: 993 is 993",
        "  source: 10.1.2.3 is not one of 192.0.2.0/24, unix",
        "rule 2: matches; label x, at most 1MiB/s",
        "  sni: mail.example.org is *.example.org",
        "rule office: matches; backend other, TLV 0xE5",
        "  source: 10.1.2.3 is 10.0.0.0/8",
        "decision: rule office: backend other; label x, TLV 0xE5, at most 1MiB/s",
    ]


def test_conditions_inside_are_explained() -> None:
    made = rules(
        {"if": {"any": [{"port": 1}, {"all": [{"resumed": False}]}], "not": {"client-cn": "alice"}}, "accept": True}
    )
    assert list(explain(made, Client())) == [
        "rule 1: matches; accept",
        "  any[0]: does not match",
        "    port: 993 is not 1",
        "  any[1]: matches",
        "    all[0]: matches",
        "      resumed: false is false",
        "  not: the condition in it does not match",
        "    client-cn: none is not alice",
        "decision: rule 1: the frontend's backend",
    ]


def test_rule_that_needs_more_facts_is_named() -> None:
    made = rules({"name": "mail", "if": {"sni": "mail.*"}, "backend": "other"}, {"refuse": "close"})
    assert list(explain(made, arriving())) == [
        "rule mail: is undecided",
        "  sni: not known, may be mail.*",
        "rule 2: matches; close",
        "decision: undecided; rule mail needs facts that are not stated",
    ]


def test_no_rule_may_decide() -> None:
    made = rules({"if": {"port": 143}, "ban": "1h", "refuse": "no entry here", "tarpit": "90s"})
    assert list(explain(made, Client()))[-1] == "decision: no rule decides: the frontend's backend"
    assert list(explain(made, Client(port=143)))[-1] == (
        "decision: rule 1: banned for 1h, and refused after 90s, no entry here"
    )


def test_surroundings_are_shown() -> None:
    around = Around(
        numbers={"servers other": 0, "frontend imaps": UNKNOWN, "backend dovecot": 7},
        counts={"source-connections": 3, "source-rate": 30.5, "auth-failures": 12.0, "handshake-failures": UNKNOWN},
        now=90,
    )
    condition = {
        "servers-up": {"backend": "other", "under": 1},
        "time": "Mon",
        "banned": False,
        "source-connections": {"over": 20},
        "source-rate": {"over": "30/1m"},
        "auth-failures": {"over": "10/10m"},
        "handshake-failures": {"over": "10/10m"},
        "all": [
            {"sessions": {"frontend": "imaps", "over": 1}},
            {"sessions": {"backend": "dovecot", "under": 5, "over": 1}},
        ],
    }
    made = rules({"if": condition, "accept": True}, around=around)
    assert list(explain(made, Client()))[:12] == [
        "rule 1: does not match",
        "  time: Mon 01:30 is Mon",
        "  banned: false is false",
        "  servers-up of other: 0 is under 1",
        "  source-connections: 3 is not over 20",
        "  source-rate: 30.5 is over 30/1m",
        "  handshake-failures: not known, may be over 10/10m",
        "  auth-failures: 12 is over 10/10m",
        "  all[0]: is undecided",
        "    sessions of imaps: not known, may be over 1",
        "  all[1]: does not match",
        "    sessions of dovecot: 7 is not under 5 and over 1",
    ]


def test_clients_own_values_are_shown() -> None:
    condition = {"tlv": {"0xE5": "red"}, "source": "unix", "alpn": "imap", "client-san": ["a", "b"]}
    client = without_tls(source=None, tlvs=(Tlv(0xE5, b"blue"), Tlv(0xE5, b"green")))
    assert list(explain(rules({"if": condition, "accept": True}), client))[1:5] == [
        "  source: unix is unix",
        "  alpn: none is not imap",
        "  client-san: none is not one of a, b",
        "  tlv 0xE5: blue, green is not red",
    ]
    unknown = arriving(source=UNKNOWN, tlvs=UNKNOWN)
    assert list(explain(rules({"if": condition, "accept": True}), unknown))[1:5] == [
        "  source: not known, may be unix",
        "  alpn: not known, may be imap",
        "  client-san: not known, may be one of a, b",
        "  tlv 0xE5: not known, may be red",
    ]


def test_condition_is_one_line() -> None:
    made = rules(
        {
            "if": {
                "source": ["10.0.0.0/8", "@lists/office.txt"],
                "servers-up": {"backend": "other", "under": 1},
                "any": [{"port": 1}, {"sni": "a", "resumed": True}],
                "all": [{"time": "Mon"}],
                "not": {"banned": True},
            },
            "accept": True,
        },
        {"refuse": "close"},
    )
    assert [condition_of(rule) for rule in made.rules] == [
        "source one of 10.0.0.0/8, @/etc/mailproxy/lists/office.txt and servers-up of other under 1 and time Mon and "
        "(port 1 or (resumed true and sni a)) and not (banned true)",
        "every client",
    ]


def test_condition_of_many_networks_is_cut() -> None:
    made = rules({"if": {"source": [f"10.{number}.0.0/16" for number in range(200)]}, "accept": True})
    words = condition_of(made.rules[0])
    assert len(words) == LONGEST_CONDITION
    assert words.startswith("source one of 10.0.0.0/16, 10.1.0.0/16,")
    assert words.endswith(" …")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"refuse": "permanent: go away", "tarpit": "3s"}, "after 3s: refuse, permanent: go away"),
        ({"refuse": "permanent", "tarpit": "20s", "ban": "1h"}, "ban for 1h, and after 20s: refuse, permanent"),
        ({"refuse": "close", "ban": "2m"}, "ban for 2m, and close"),
        ({"refuse": "close"}, "close"),
        ({"accept": True, "ban": "2m"}, "accept, ban for 2m"),
    ],
)
def test_actions_are_in_the_order_in_which_they_happen(rule: dict[str, object], words: str) -> None:
    assert actions(rules(rule).rules[0]) == words


def test_missing_facts_are_those_that_decide() -> None:
    made = rules(
        {"if": {"port": 143, "cipher": "a"}, "accept": True},
        {"if": {"any": [{"sni": "a", "tlv": {"azure": "1"}}, {"not": {"banned": True}}]}, "label": "x"},
        {"if": {"servers-up": {"backend": "other", "under": 1}, "source-rate": {"over": "30/1m"}}, "accept": True},
        {"if": {"sni": "b"}, "accept": True},
        {"accept": True},
        {"if": {"group": "x25519"}, "accept": True},
        around=Around(numbers={"servers other": UNKNOWN}),
    )
    nobody = arriving(source=UNKNOWN, tlvs=UNKNOWN)
    assert missing(made, nobody) == ("sni", "tlv.azure", "source", "banned", "servers-up.other", "source-rate")
