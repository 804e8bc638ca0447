"""Patterns for texts."""

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.config.kind import WrongValue
from mailproxy.config.text_pattern import LONGEST_VALUE, TEXT_PATTERN

BARS = "|" * 21


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    return TEXT_PATTERN.read(pattern).compiled(ignore_case=ignore_case).search(value) is not None


@pytest.mark.parametrize(
    ("pattern", "value", "found"),
    [
        ("mail.example.org", "mail.example.org", True),
        ("mail.example.org", "mail.example.orgx", False),
        ("mail.example.org", "mailxexample.org", False),
        ("*.example.org", "a.b.example.org", True),
        ("*.example.org", "example.org", False),
        ("a*b*c", "aXbXbc", True),
        ("a*b*c", "acb", False),
        ("imap?", "imap4", True),
        ("imap?", "imap", False),
        ("*", "", True),
        ("[a]", "[a]", True),
        ("[a]", "a", False),
        ("~^backup-", "backup-1", True),
        ("~^backup-", "my-backup-1", False),
        ("~backup", "my-backup-1", True),
    ],
)
def test_pattern_matches(pattern: str, value: str, found: bool) -> None:
    assert matches(pattern, value) == found


@given(st.text("ab*?", min_size=1, max_size=8), st.text("abc\n", max_size=8))
def test_stars_and_question_marks_are_those_of_a_shell(pattern: str, value: str) -> None:
    assert matches(pattern, value) == fnmatchcase(value, pattern)


@given(st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126, exclude_characters="*?~"), min_size=1))
def test_other_characters_mean_themselves(text: str) -> None:
    assert matches(text, text)
    assert not matches(text, f"{text}x")


def test_case_may_be_ignored() -> None:
    assert matches("*.Example.org", "mail.eXAMPLE.ORG", ignore_case=True)
    assert not matches("*.Example.org", "mail.example.org")


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "needs a text"),
        ("a\nb", "needs a text"),
        ("x" * 513, "has 513 characters; a pattern has 512 at most"),
        ("~", "without the regular expression after it"),
        ("~(", "which is not a regular expression: missing ), unterminated subpattern at position 0"),
        ("~(a+)+$", "which repeats a group"),
        ("~(a|aa){2,}$", "which repeats a group"),
        (r"~(a+)\1$", "which refers to a group"),
        ("~a.*b.*c", "which has more than 1 of * + {}, and does not begin with ^"),
        ("~^a.*b.*c.*d", "which has more than 2 of * + {}:"),
        ("~a?a?a?aaa", "which has more than 2 of ?"),
        ("~(?x)(a|aa) +$", "which has (?x; of the parts that begin with (? only"),
        ("~(?ix)(a|aa) +$", "which has (?i; of the parts"),
        ("~(?x:(a|aa) +)$", "which has (?x; of the parts"),
        ("~(a|aa)(?#)+$", "which has (?#; of the parts"),
        ("~(?m)^a+b+", "which has (?m; of the parts"),
        ("~(a)?(?(1)b|c)", "which has (?(; of the parts"),
        ("~" + "(a|aa)" * 30 + "$", "which has more than 1000 combinations of alternatives (| and ?)"),
        ("~^x|[a.]*[a.]*!", "which has more than 1 of * + {}, and has an alternative that does not begin with ^"),
        ("~^[a.]*[a.]*!|x", "which has more than 1 of * + {}, and has an alternative that does not begin with ^"),
        ("~^[a.]*[a.]*!|", "which has more than 1 of * + {}, and has an alternative that does not begin with ^"),
        (r"~\\A[a.]*[a.]*!", "which has more than 1 of * + {}, and does not begin with ^"),
        (f"~^{f'({BARS})' * 3}[a.]*[a.]*!", "which has more than 32 combinations of alternatives (| and ?)"),
        (f"~^((({BARS})))(?:{BARS})[a.]*[a.]*!", "which has more than 32 combinations of alternatives (| and ?)"),
        (f"~^(?:{BARS}|({BARS}))[a.]*[a.]*!", "which has more than 32 combinations of alternatives (| and ?)"),
        (f"~(?:{BARS})(?:|)[a.]*!", "which has more than 32 combinations of alternatives (| and ?)"),
        ("~^(?:a|b|c)(?:d|e|f)g?h?i*j*", "which has more than 32 combinations of alternatives (| and ?)"),
    ],
)
def test_unusable_pattern_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(WrongValue) as caught:
        TEXT_PATTERN.read(pattern)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        "~^[a-z]+-[0-9]+$",
        r"~\.(de|at)$",
        "~^(?:a|b)?x.*y",
        r"~\(\)+[*+(){}?]$",
        "~(?i)^a",
        "~(?P<a>b|c)(?!d)",
        "~a|b|c|d|e",
        r"~^[a-z]+-[0-9]+\.(at|be|ch|cz|de|dk|es|eu|fi|fr|it|lu|nl|no|pl|pt|se|uk)$",
        "~^(?:imap|pop|smtp)s?[0-9]*[.](?:mail|mx)[.]",
        "~^(?:anna|bert|carl)@|^(?:dora|emil|fritz)@.+[.]example$",
        "~^a.*b.*c|^(?:d|e)|^f",
        r"~\A[a-z]+-[0-9]+",
        r"~^[|]+\|+[a-z]$",
        "~^(?:" + "|".join(f"host{number}" for number in range(60)) + ")[.]",
    ],
)
def test_quick_expression_is_taken(pattern: str) -> None:
    assert TEXT_PATTERN.read(pattern).is_expression


@pytest.mark.parametrize(
    "pattern",
    [
        "~^.*a.*b",
        "~a.*b",
        "~^a?a?.*.*b",
        f"~^(?:{BARS}|||||||||).*[ac]*b",
        f"~(?:{BARS})(?:{BARS})b",
        "*a*a*a*a*a*b",
        "*a*" * 20,
    ],
)
def test_no_pattern_takes_long(pattern: str) -> None:
    compiled = TEXT_PATTERN.read(pattern).compiled(ignore_case=True)
    begin = time.process_time()
    assert compiled.search("a" * LONGEST_VALUE + "c") is None or "b" not in pattern
    assert time.process_time() - begin < 0.05


def test_pattern_is_written_as_it_is_read() -> None:
    assert str(TEXT_PATTERN.read("~^a")) == "~^a"
