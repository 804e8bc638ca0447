"""Rules: the order, decisions, additions, and the two passes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config.model import CustomTlv
from mailproxy.config.refuse import Refuse
from mailproxy.networks.list_file import parse_list
from mailproxy.networks.network_list import ReadList
from mailproxy.rules.decision import NOTHING, Decision, Pending
from mailproxy.rules.rules import Rules
from mailproxy.rules.unknown import UNKNOWN
from tests.config.builders import FOLDER, read
from tests.examples import examples
from tests.rules.builders import TLS_FIELDS, Around, Client, arriving, rules, without_tls

TEN = {"source": "10.0.0.0/8"}
OTHERS = {"source": "192.0.2.0/24"}
MAIL = {"sni": "mail.*"}


def decided(*tables: dict[str, Any], client: Client | None = None) -> Decision:
    decision = rules(*tables).decide(client or Client())
    assert isinstance(decision, Decision)
    return decision


def test_client_of_no_rule_gets_the_frontends_backend() -> None:
    assert decided({"if": OTHERS, "refuse": "close"}) is NOTHING


def test_first_rule_that_is_true_decides() -> None:
    decision = decided(
        {"if": OTHERS, "refuse": "close"}, {"name": "office", "if": TEN, "backend": "other"}, {"refuse": "temporary"}
    )
    assert (decision.rule, decision.backend, decision.refusal, decision.matched) == ("office", "other", None, (1,))


def test_accept_ends_the_rules_with_the_frontends_backend() -> None:
    decision = decided({"if": TEN, "accept": True}, {"refuse": "close"})
    assert (decision.rule, decision.backend, decision.refusal) == ("rule 1", None, None)


def test_refusal_has_its_time() -> None:
    decision = decided({"refuse": "permanent: go", "tarpit": "10s", "ban": "1h"})
    assert (decision.refusal, decision.tarpit, decision.ban) == (Refuse("permanent", "go"), 10.0, 3600.0)


def test_ban_alone_refuses_without_a_word() -> None:
    assert decided({"ban": "10m"}, {"accept": True}).refusal == Refuse("close")


def test_rules_that_only_add_something_do_not_end_the_list() -> None:
    decision = decided(
        {"if": TEN, "label": "office"},
        {"if": TEN, "bandwidth": "1MiB/s"},
        {"if": TEN, "tlv": {"type": 0xE5, "value": "a"}},
        {"if": OTHERS, "label": "others"},
        {"backend": "other", "tlv": {"type": 0xE6, "value": "b"}},
    )
    assert (decision.label, decision.bandwidth, decision.backend) == ("office", 1024**2, "other")
    assert decision.tlvs == (CustomTlv(0xE5, b"a"), CustomTlv(0xE6, b"b"))
    assert decision.matched == (0, 1, 2, 4)


def test_later_addition_replaces_an_earlier_one() -> None:
    decision = decided(
        {"label": "a", "bandwidth": "1MiB/s", "tlv": {"type": 0xE5, "value": "a"}},
        {"label": "b", "bandwidth": "2MiB/s", "tlv": {"type": 0xE5, "value": "b"}},
    )
    assert (decision.label, decision.bandwidth) == ("b", 2 * 1024**2)
    assert decision.tlvs == (CustomTlv(0xE5, b"b"),)
    assert decision.rule == ""


def test_rule_that_needs_tls_waits_for_it() -> None:
    made = rules({"if": TEN, "label": "office"}, {"if": MAIL, "backend": "other"}, {"refuse": "close"})
    pending = made.decide(arriving())
    assert isinstance(pending, Pending)
    assert pending.step.number == 1
    decision = made.decide(Client(), pending)
    assert isinstance(decision, Decision)
    assert (decision.label, decision.backend) == ("office", "other")


def test_client_that_stays_without_tls_has_no_tls() -> None:
    made = rules({"if": MAIL, "backend": "other"}, {"refuse": "close"})
    pending = made.decide(arriving())
    assert isinstance(pending, Pending)
    decision = made.decide(without_tls(), pending)
    assert isinstance(decision, Decision)
    assert decision.rule == "rule 2"


def test_earlier_rules_are_not_tried_again() -> None:
    made = rules({"if": TEN, "refuse": "close"}, {"if": MAIL, "backend": "other"})
    pending = made.decide(arriving(source=b"\x0b\0\0\1"))
    assert isinstance(pending, Pending)
    decision = made.decide(Client(), pending)
    assert isinstance(decision, Decision)
    assert decision.rule == "rule 2"


def test_deciding_rule_before_one_that_needs_tls_decides_at_accept() -> None:
    assert decided({"if": TEN, "refuse": "close"}, {"if": MAIL, "accept": True}, client=arriving()).rule == "rule 1"


# Random rules and clients.

KEYS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"source": "10.0.0.0/8"},
        {"port": 993},
        {"sni": "mail.*"},
        {"resumed": True},
        {"client-cn": "alice"},
        {"client-verified": False},
        {"tls-version": "1.3"},
    ]
)
CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    KEYS,
    lambda inner: st.one_of(
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"all": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda key, one: key | {"not": one}, KEYS, inner),
    ),
    max_leaves=6,
)
ACTIONS = st.sampled_from([{"label": "x"}, {"label": "y", "backend": "other"}, {"refuse": "close"}, {"accept": True}])
RULES = st.lists(st.builds(lambda condition, action: {"if": condition} | action, CONDITIONS, ACTIONS), max_size=5)
SOURCES = st.sampled_from([b"\x0a\0\0\1", b"\xc0\0\2\1"])
TLS = st.fixed_dictionaries(
    {
        "sni": st.sampled_from([None, "mail.example.org", "www.example.org"]),
        "resumed": st.booleans(),
        "client_cn": st.sampled_from([(), ("alice",)]),
        "client_verified": st.booleans(),
        "tls_version": st.sampled_from(["1.2", "1.3"]),
    }
)


def acts(decision: Decision | Pending) -> tuple[object, ...]:
    assert isinstance(decision, Decision)
    return decision.rule, decision.backend, decision.refusal, decision.label, decision.matched


@examples(300)
@given(RULES, SOURCES, TLS)
def test_decision_at_accept_is_never_contradicted_after_tls(
    tables: list[dict[str, Any]], source: bytes, tls: dict[str, Any]
) -> None:
    made = rules(*tables)
    first = made.decide(arriving(source=source))
    whole = made.decide(Client(source=source, **tls))
    if isinstance(first, Decision):
        assert acts(first) == acts(whole)
        assert acts(first) == acts(made.decide(without_tls(source=source)))


@examples(300)
@given(RULES, SOURCES, TLS)
def test_two_passes_decide_as_one(tables: list[dict[str, Any]], source: bytes, tls: dict[str, Any]) -> None:
    made = rules(*tables)
    decision = made.decide(arriving(source=source))
    client = Client(source=source, **tls)
    if isinstance(decision, Pending):
        decision = made.decide(client, decision)
    assert acts(decision) == acts(made.decide(client))


@given(RULES, SOURCES, TLS, st.sets(st.sampled_from(TLS_FIELDS)))
def test_with_all_facts_every_client_has_a_decision(
    tables: list[dict[str, Any]], source: bytes, tls: dict[str, Any], unknown: set[str]
) -> None:
    made = rules(*tables)
    assert isinstance(made.decide(Client(source=source, **tls)), Decision)
    partly = made.decide(Client(source=source, **(tls | dict.fromkeys(unknown, UNKNOWN))))
    if isinstance(partly, Decision):
        assert acts(partly) == acts(made.decide(Client(source=source, **tls)))


@pytest.mark.parametrize("client", [Client(), without_tls(), arriving()])
def test_no_rules_decide_nothing(client: Client) -> None:
    assert rules().decide(client) is NOTHING


# Frontends without TLS.


def test_rule_about_tls_is_left_out_where_nobody_has_it() -> None:
    config = read(
        frontend__imaps__rule=[
            {"if": MAIL, "refuse": "close"},
            {"if": {"all": [MAIL, TEN]}, "refuse": "close"},
            {"if": {"not": MAIL}, "label": "clear"},
            {"if": {"any": [MAIL, TEN]}, "accept": True},
        ]
    )
    made = Rules(config.frontends[0].rules, Around(), has_tls=False)
    decision = made.decide(without_tls())
    assert isinstance(decision, Decision)
    assert (decision.rule, decision.label, decision.matched) == ("rule 4", "clear", (2, 3))


@examples(300)
@given(RULES, SOURCES)
def test_clients_without_tls_are_judged_alike_whether_others_may_have_tls(
    tables: list[dict[str, Any]], source: bytes
) -> None:
    client = without_tls(source=source)
    other = {"server": {"d1": {"address": "10.41.1.132:143"}}}
    config = read(backend__other=other, frontend__imaps__rule=tables)
    made = Rules(config.frontends[0].rules, Around(), has_tls=False)
    assert acts(made.decide(client)) == acts(rules(*tables).decide(client))


# The rules for clients of one place are found once.

NETWORKS = st.lists(
    st.sampled_from(
        [
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.3",
            "0.0.0.0/0",
            "192.0.2.0/24",
            "2001:db8::/32",
            "::/0",
            "unix",
            "@office",
        ]
    ),
    min_size=1,
    max_size=3,
    unique=True,
)
PLACES = st.sampled_from(
    [
        *("10.0.0.0", "10.1.2.3", "10.1.2.4", "10.255.255.255", "11.0.0.0", "192.0.2.9", "255.255.255.255"),
        *("2001:db8::1", "2001:db9::", "::ffff:10.1.2.3", "::ffff:192.0.2.9", "unix"),
    ]
)
FROM_PLACES = st.lists(
    st.builds(
        lambda networks, key, action: {"if": {"source": networks} | key} | action,
        NETWORKS,
        st.sampled_from(
            [{}, {"port": 993}, {"sni": "mail.*"}, {"destination": "192.0.2.1"}, {"not": {"source": "10.1.0.0/16"}}]
        ),
        ACTIONS,
    ),
    max_size=6,
)


@examples(300)
@given(FROM_PLACES, st.lists(st.tuples(PLACES, st.sampled_from([143, 993])), min_size=1, max_size=8))
def test_rules_that_are_kept_for_a_place_decide_as_all(
    tables: list[dict[str, Any]], clients: list[tuple[str, int]]
) -> None:
    around = Around()
    around.lists.take(ReadList(f"{FOLDER}/office", parse_list(b"10.1.2.0/24\n", ""), (1,)))
    made = rules(*tables, around=around)
    for place, port in clients:
        client = Client(source=None if place == "unix" else ip_address(place).packed, port=port)
        expected = NOTHING
        for number, (rule, prepared) in enumerate(zip(made.rules, made.prepared, strict=True)):
            if prepared.test(client):
                expected = expected.joined(rule, number)
                if rule.decides:
                    break
        assert acts(made.decide(client)) == acts(expected)


def test_kinds_of_clients_that_are_kept_are_limited() -> None:
    made = rules({"if": {"port": 993}, "refuse": "close"})
    for number in range(5000):
        decision = made.decide(Client(destination=number.to_bytes(4)))
        assert isinstance(decision, Decision)
        assert decision.rule == "rule 1"
    assert len(made._known) <= 4096  # noqa: SLF001  # nothing else shows it


def test_kinds_of_tls_that_are_kept_are_limited() -> None:
    made = rules({"if": {"sni": "mail7.*"}, "refuse": "close"})
    pending = made.decide(arriving())
    assert isinstance(pending, Pending)
    for number in range(5000):
        decision = made.decide(Client(sni=f"mail{number}.example.org"), pending, number)
        assert isinstance(decision, Decision)
        assert decision.rule == ("rule 1" if number == 7 else "")
    assert len(made._known_after_tls) <= 4096  # noqa: SLF001  # nothing else shows it


def test_rules_after_tls_are_found_once_for_equal_facts() -> None:
    made = rules({"if": {"sni": "mail.*"}, "refuse": "close"}, {"if": {"sni": "*"}, "label": "named"})
    pending = made.decide(arriving())
    assert isinstance(pending, Pending)
    first = made.decide(Client(sni="www.example.org"), pending, "one kind")
    # Another name, which its kind says it does not have: it is not looked at again.
    again = made.decide(Client(sni="mail.example.org"), pending, "one kind")
    assert acts(first) == acts(again) == ("", None, None, "named", (1,))


# What is banned.


def counting(**keys: Any) -> dict[str, Any]:
    return {"name": "guessing", "if": keys, "ban": "1h"}


GUESSES = {"over": "10/10m"}
SIX = ip_address("2001:db8::7").packed


@pytest.mark.parametrize(
    ("condition", "source", "bits"),
    [
        ({"auth-failures": GUESSES | {"per": "/64"}}, SIX, 64),
        ({"auth-failures": GUESSES | {"per": ["/24", "/56"]}}, SIX, 56),
        ({"auth-failures": GUESSES | {"per": ["/24", "/56"]}}, bytes([192, 0, 2, 7]), 24),
        ({"auth-failures": GUESSES | {"per": ["/24", "/56"]}}, ip_address("::ffff:192.0.2.7").packed, 120),
        ({"auth-failures": GUESSES}, SIX, 48),
        ({"auth-failures": GUESSES | {"per": "/56"}, "source-rate": {"over": "1/1m", "per": "/64"}}, SIX, 56),
        ({"any": [{"auth-failures": GUESSES | {"per": "/40"}}, {"source-rate": {"over": "1/1m"}}]}, SIX, 40),
        ({"any": [{"source-connections": {"over": 5, "per": "/40"}}, {"auth-failures": GUESSES}]}, SIX, 48),
        ({"all": [{"auth-failures": GUESSES | {"per": "/64"}}]}, SIX, 64),
        ({"not": {"source-connections": {"over": 5, "per": "/40"}}}, SIX, None),
        ({"source": "2001:db8::/32"}, SIX, None),
        ({"auth-failures": GUESSES}, None, None),
    ],
)
def test_rule_bans_the_widest_network_by_which_it_has_counted(
    condition: dict[str, Any], source: bytes | None, bits: int | None
) -> None:
    around = Around(counts={"auth-failures": 11.0, "source-rate": 2.0, "source-connections": 1.0})
    made = rules(counting(**condition), around=around, prefix=(32, 48))
    assert made.ban_bits(Client(source=source), 0) == bits
