"""Decisions of CrowdSec in an answer of its local API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.bans import decisions as module
from mailproxy.bans.ban import place_of
from mailproxy.bans.decisions import UnusableAnswer, read_decisions
from mailproxy.bans.rows import LONGEST_VALUE


def decision(value: str = "192.0.2.7", **fields: Any) -> dict[str, Any]:
    """One decision, as the documentation of the API has it."""
    valid = {
        "duration": "3h59m58.123s",
        "id": 23,
        "origin": "crowdsec",
        "scenario": "crowdsecurity/dovecot-spam",
        "scope": "Ip",
        "type": "ban",
        "uuid": "b2a5f8ab-0f2c-4f7c-9a4d-6a2f4d9f0c11",
        "value": value,
    }
    return valid | fields


def answer(*new: Any, deleted: Any = ()) -> bytes:
    return json.dumps({"deleted": list(deleted) or None, "new": list(new) or None}).encode()


def bans(*new: Any) -> list[tuple[str, float, str]]:
    return [(place_of(one.key), round(one.seconds, 3), one.reason) for one in read_decisions(answer(*new)).new]


def test_decision_is_a_ban_for_the_rest_of_its_time() -> None:
    assert bans(decision()) == [("192.0.2.7", 14398.123, "crowdsecurity/dovecot-spam")]


@pytest.mark.parametrize(
    ("value", "scope", "place"),
    [
        ("192.0.2.0/24", "Range", "192.0.2.0/24"),
        ("192.0.2.9/24", "range", "192.0.2.0/24"),
        ("2001:db8::7", "ip", "2001:db8::7"),
        ("2001:db8::/32", "Range", "2001:db8::/32"),
        ("192.0.2.7/32", "Ip", "192.0.2.7"),
    ],
)
def test_addresses_and_ranges_are_banned(value: str, scope: str, place: str) -> None:
    assert [found for found, _, _ in bans(decision(value, scope=scope))] == [place]


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("10s", 10.0), ("1m0s", 60.0), ("143h58m15s", 518295.0), ("500ms", 0.5), ("1.5h", 5400.0), ("250µs", 0.0)],
)
def test_durations_are_those_of_go(duration: str, seconds: float) -> None:
    assert bans(decision(duration=duration)) == [("192.0.2.7", seconds, "crowdsecurity/dovecot-spam")]


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "captcha"},
        {"scope": "Country", "value": "XX"},
        {"scope": "username"},
        {"simulated": True},
        {"scope": "username", "value": None, "duration": "soon"},
    ],
)
def test_what_is_no_ban_of_addresses_is_skipped(fields: dict[str, Any]) -> None:
    found = read_decisions(answer(decision(**fields), decision("198.51.100.7")))
    assert [place_of(one.key) for one in found.new] == ["198.51.100.7"]
    assert (found.others, found.skipped) == (1, 0)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"duration": ""}, 'its duration is "", needs one like "4h5m6s"'),
        ({"duration": "nan"}, 'its duration is "nan", '),
        ({"duration": "1e9h"}, 'its duration is "1e9h", '),
        ({"duration": "5"}, 'its duration is "5", '),
        ({"duration": 5}, 'its duration is not a text, "5", '),
        ({"duration": None}, "its duration is missing, "),
        ({"value": "192.0.2"}, 'its value is "192.0.2", needs an address or a network, without a zone'),
        ({"value": "01.2.3.4"}, 'its value is "01.2.3.4", '),
        ({"value": "fe80::1%eth0"}, 'its value is "fe80::1%eth0", '),
        ({"value": "fe80::1%eth0/64"}, 'its value is "fe80::1%eth0/64", '),
        ({"value": None}, "its value is missing, "),
        ({"value": 7}, 'its value is not a text, "7", '),
        ({"scope": None}, "it has no scope or no type"),
        ({"scenario": "x" * LONGEST_VALUE}, "it has more than 65536 characters"),
    ],
)
def test_decision_that_cannot_be_read_is_skipped_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    bad = decision(**fields)
    found = read_decisions(answer(bad, decision("198.51.100.7"), {}, deleted=[bad, decision("198.51.100.8")]))
    assert [place_of(one.key) for one in found.new] == ["198.51.100.7"]
    assert [place_of(key) for key in found.deleted] == ["198.51.100.8"]
    assert (found.others, found.skipped) == (0, 3)
    about = "the decision about 192.0.2.7" if "duration" in fields else "a decision"
    assert found.problem.startswith(f"{about} is skipped: {reason}")


@pytest.mark.parametrize("entry", [None, 7, "192.0.2.7", [], {}])
def test_entry_that_is_no_decision_is_skipped(entry: Any) -> None:
    found = read_decisions(answer(entry, decision()))
    assert (len(found.new), found.others, found.skipped) == (1, 0, 1)


def test_decision_that_has_ended_is_no_ban() -> None:
    assert bans(decision(duration="-5m3s")) == []


def test_deleted_decision_may_have_ended() -> None:
    found = read_decisions(answer(deleted=[decision(duration="-5m3s")]))
    assert [place_of(key) for key in found.deleted] == ["192.0.2.7"]


def test_longest_of_several_decisions_counts() -> None:
    assert bans(decision(duration="2h"), decision(duration="3h"), decision(duration="1h")) == [
        ("192.0.2.7", 10800.0, "crowdsecurity/dovecot-spam")
    ]


def test_scenario_cannot_forge_a_line() -> None:
    ((_, _, reason),) = bans(decision(scenario="a\n2026-11-21T04:12:09Z info ready"))
    assert reason == r"a\n2026-11-21T04:12:09Z info ready"


def test_empty_answer_is_no_decision() -> None:
    found = read_decisions(b'{"deleted":null,"new":null}')
    assert (found.new, found.deleted, found.others, found.skipped) == ((), (), 0, 0)


@pytest.mark.parametrize("data", [b"", b"[]", b"<html>", b"\xff", b'{"new": [', b'{"new": [{}', b'{"message": '])
def test_other_answer_is_an_error(data: bytes) -> None:
    with pytest.raises(UnusableAnswer, match="it is not the JSON of the API: "):
        read_decisions(data)


@pytest.mark.parametrize("fields", [{}, {"type": "captcha"}, {"type": None}], ids=["bans", "others", "skipped"])
@pytest.mark.parametrize("name", ["new", "deleted"])
def test_number_of_decisions_has_a_limit(name: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BANS", 1)
    decisions = [decision(f"192.0.2.{number}", **fields) for number in range(3)]
    assert read_decisions(json.dumps({name: decisions[:2]}).encode())
    with pytest.raises(UnusableAnswer, match="it has more than 2 decisions"):
        read_decisions(json.dumps({name: decisions}).encode())


@given(st.recursive(st.none() | st.text() | st.integers() | st.floats(), st.lists) | st.just(decision()), st.binary())
def test_any_answer_raises_only_this_error(entry: Any, data: bytes) -> None:
    read_decisions(answer(entry))
    try:
        read_decisions(data)
    except UnusableAnswer:
        return


@pytest.mark.parametrize("value", ["0.0.0.0/0", "126.0.0.0/7", "::ffff:0:0/96", "::/0", "2000::/15"])
def test_too_wide_network_is_skipped(value: str) -> None:
    wide = decision(value, scope="Range")
    found = read_decisions(answer(wide, decision(), decision(value, scope="Range", duration="-1s"), deleted=[wide]))
    assert [place_of(one.key) for one in found.new] == ["192.0.2.7"]
    assert (found.others, found.skipped) == (0, 1)


@pytest.mark.parametrize("value", ["10.0.0.0/8", "2001::/16"])
def test_widest_network_is_banned(value: str) -> None:
    assert [place for place, _, _ in bans(decision(value, scope="Range"))] == [value]
