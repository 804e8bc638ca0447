"""Formats: what they may have in them, and how they are filled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config.format import FIELDS, FORMAT, NOT_YET
from mailproxy.config.kind import WrongValue

LOG_PAGE = (Path(__file__).parents[2] / "docs" / "log.md").read_text()


def refusal(text: str) -> str:
    with pytest.raises(WrongValue) as caught:
        FORMAT.read(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", b""),
        ("text", b"text"),
        ("{tls}", b"TLSv1.3"),
        ("a{tls}b{sni}c", b"aTLSv1.3bmail.examplec"),
        ("{tls}{tls}", b"TLSv1.3TLSv1.3"),
        ("{{tls}} {{{tls}}}", b"{tls} {TLSv1.3}"),
        ("é {cn}|", "é |".encode()),
        ("{tlv_azure}{tlv_unique_id}{tlv_ssl_cn}{tlv_0xe3}", b"7"),
    ],
)
def test_format_is_filled(text: str, filled: bytes) -> None:
    words = {"tls": "TLSv1.3", "sni": "mail.example", "tlv_azure": "7"}
    assert FORMAT.read(text).fill(words) == filled


def test_fields_are_known() -> None:
    assert FORMAT.read("a{tls}b{sni}{tls}").fields == {"tls", "sni"}


def test_unknown_field_names_the_nearest() -> None:
    assert refusal("{cypher}") == 'is "{cypher}", in which {cypher} is not a field; did you mean {cipher}?'


def test_unknown_field_with_nothing_near_lists_what_there_is() -> None:
    assert refusal("{xyzzy}").startswith('is "{xyzzy}", in which {xyzzy} is not a field; fields are "id", "frontend",')


@pytest.mark.parametrize("name", ["", "TLS", " tls", "tlv_", "tlv_0xE3", "tlv_unique-id", "tlv_nothing"])
def test_field_is_written_as_in_the_log(name: str) -> None:
    assert f"in which {{{name}}} is not a field" in refusal(f"{{{name}}}")


@pytest.mark.parametrize("name", NOT_YET)
def test_field_of_the_sessions_end_is_refused_with_the_reason(name: str) -> None:
    assert refusal(f"{{{name}}}") == f'is "{{{name}}}", and {{{name}}} {NOT_YET[name]}'


@pytest.mark.parametrize(("text", "brace"), [("{tls", "{"), ("tls}", "}"), ("{a{tls}", "{"), ("}{tls}", "}")])
def test_brace_that_stands_alone_is_refused(text: str, brace: str) -> None:
    assert refusal(text) == f'is "{text}", in which a {brace} stands alone; write {brace * 2} for one'


def test_format_has_a_bound() -> None:
    FORMAT.read("x" * 1024)
    assert refusal("x" * 1025) == "has 1025 characters; a format has 1024 at most"


@given(st.text(max_size=100))
def test_any_text_can_be_written(text: str) -> None:
    assert FORMAT.read(text.replace("{", "{{").replace("}", "}}")).fill({}) == text.encode()


def test_every_field_of_the_log_is_known_here() -> None:
    table = LOG_PAGE.partition("## The session line")[2].partition("## ")[0]
    documented = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall("`(.*?)`", cell)
        if not name.startswith("tlv_")
    }
    ends = {"src", "src_port", "dst", "dst_port"}
    assert documented == (set(FIELDS) - ends) | set(NOT_YET)
