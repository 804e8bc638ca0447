"""HTML in which all text is escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.web.stats.markup import Markup, opening, tag, together
from mailproxy.web.stats.words import whole

HOSTILE = "<script>alert(\"'1'\")</script>&amp;"
ESCAPED = "&lt;script&gt;alert(&quot;&#x27;1&#x27;&quot;)&lt;/script&gt;&amp;amp;"


def test_text_is_escaped() -> None:
    assert tag("p", HOSTILE) == f"<p>{ESCAPED}</p>"


def test_attributes_are_escaped() -> None:
    assert tag("p", title=HOSTILE) == f'<p title="{ESCAPED}"></p>'


def test_markup_is_not_escaped_again() -> None:
    assert tag("p", tag("b", "<"), [" & ", tag("i", 1)]) == "<p><b>&lt;</b> &amp; <i>1</i></p>"


def test_text_that_was_joined_to_markup_is_text() -> None:
    joined = tag("b", "x") + "<i>"
    assert not isinstance(joined, Markup)
    assert tag("p", joined) == "<p>&lt;b&gt;x&lt;/b&gt;&lt;i&gt;</p>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202eb", r"a\u202eb"),
        ("\u2066", r"\u2066"),
        ("a\nb", r"a\nb"),
    ],
)
def test_what_is_no_letter_is_shown_as_in_the_log(text: str, shown: str) -> None:
    assert tag("p", text, title=text) == f'<p title="{shown}">{shown}</p>'


def test_thin_spaces_of_numbers_stay() -> None:
    assert tag("p", f"{whole(12345)} sessions") == "<p>12\u202f345 sessions</p>"


@pytest.mark.parametrize(
    ("value", "written"), [(None, "<p></p>"), (False, "<p></p>"), (True, "<p data-x></p>"), (0, '<p data-x="0"></p>')]
)
def test_attributes_may_be_absent_or_have_no_value(value: object, written: str) -> None:
    assert tag("p", data_x=value) == written  # type: ignore[arg-type]  # every kind in turn


def test_names_of_attributes_have_dashes_and_no_underscore_at_the_end() -> None:
    assert tag("label", for_="a", aria_label="b") == '<label for="a" aria-label="b"></label>'


def test_void_elements_have_no_end() -> None:
    assert tag("input", name="a") == '<input name="a">'


def test_opening_is_a_start_tag_alone() -> None:
    assert opening("div", class_="a") == '<div class="a">'


@given(st.text())
def test_no_text_becomes_an_element(text: str) -> None:
    written = together(text)
    assert not set("<>\"'") & set(written)
