"""The form of a log line."""

from __future__ import annotations

import json
import re
import shlex
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailproxy.session.line import as_line

FOREIGN = ["sni", "alpn", "cn", "serial", "left_out", "reason", "rule", "label", "tlv_aws", "tlv_unique_id", "tlv_0xe1"]
FOREIGN += ["new"]


@given(st.sampled_from(FOREIGN), st.text(st.characters(exclude_categories=["Cs"])))
@example("sni", "two words")
@example("tlv_aws", "\x1b[2J")
@example("tlv_0xe1", "x client=192.0.2.66:1")
@example("cn", 'quo"te')
@example("reason", "new\nline")
@example("reason", "\u2028")
@example("left_out", "")
@example("serial", "")
@example("alpn", "back\\slash")
def test_words_from_outside_make_up_neither_a_line_nor_a_field(key: str, value: str) -> None:
    line = as_line({key: value})
    assert line.isascii()
    assert line.isprintable()
    name, _, shown = line.partition("=")
    assert name == key
    assert shown == value or json.loads(shown) == value
    assert shown[:1] == '"' or not re.search(r'[\s"]', shown)


@given(st.sampled_from(FOREIGN), st.text(string.ascii_letters + string.punctuation + " "))
@example("cn", "O'Brien")
def test_field_can_be_copied_into_stated_facts(key: str, value: str) -> None:
    """`mailproxy.rules.facts` splits them with shlex."""
    assert shlex.split(as_line({key: value})) == [f"{key}={value}"]


@pytest.mark.parametrize("value", ["mail.example.org", "a=b", "x,y;z"])
def test_plain_words_stand_as_they_are(value: str) -> None:
    assert as_line({"sni": value}) == f"sni={value}"
