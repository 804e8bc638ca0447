"""Text in columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.top.letters import ASCII, UNICODE, charset_of, cut, padded, width_of, wrapped


@pytest.mark.parametrize(
    ("words", "width"),
    [("mail", 4), ("köln", 4), ("ko\u0308ln", 4), ("日本", 4), ("", 0)],
)
def test_width_is_that_of_the_terminal(words: str, width: int) -> None:
    assert width_of(words) == width


@pytest.mark.parametrize(
    ("words", "width", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcde…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("ab", 0, "")],
)
def test_what_is_too_long_is_cut_and_marked(words: str, width: int, expected: str) -> None:
    assert cut(words, width, "…") == expected


@pytest.mark.parametrize(("is_right", "expected"), [(False, "日  "), (True, "  日")])
def test_padding_counts_columns(is_right: bool, expected: str) -> None:
    assert padded("日", 4, is_right=is_right) == expected


def test_long_words_are_wrapped_at_spaces() -> None:
    assert list(wrapped("the server is down", 11)) == ["the server", "is down"]
    assert list(wrapped("abcdefghij", 4)) == ["abcd", "efgh", "ij"]


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(2, 20))
def test_lines_are_never_too_long(words: str, width: int) -> None:
    clean = UNICODE.clean(words)
    assert all(width_of(line) <= width for line in wrapped(clean, width))
    assert width_of(cut(clean, width, "…")) <= width


@given(st.text())
def test_clean_words_are_printable(words: str) -> None:
    assert UNICODE.clean(words).isprintable()
    assert ASCII.clean(words).isascii()
    assert ASCII.clean(words).isprintable()


def test_letters_that_the_terminal_lacks_are_escaped() -> None:
    assert ASCII.clean("köln") == "k\\xf6ln"


def test_cursor_movements_are_escaped() -> None:
    assert UNICODE.clean("a\x1b[2Jb\u202ec\x9b") == "a\\x1b[2Jb\\u202ec\\x9b"


@pytest.mark.parametrize("encoding", ["UTF-8", "utf8", "utf_8"])
def test_encoding_of_the_terminal_chooses_the_letters(encoding: str) -> None:
    assert charset_of(encoding) is UNICODE
    assert charset_of("ANSI_X3.4-1968") is ASCII
