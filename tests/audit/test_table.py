import json

from mailproxy.audit.result import Result, Verdict
from mailproxy.audit.table import as_json, table

GOOD = Result("one", "Something bad.", Verdict.OK, "STARTTLS", "220 go", "a note")
BAD = Result("another", "Something worse.", Verdict.VULNERABLE, "NOOP", "250 fine")


def test_table_has_a_line_for_each_case() -> None:
    assert table([GOOD, BAD], 80).splitlines() == [
        "case     sent                          came                          verdict",
        "-------  ----------------------------  ----------------------------  ----------",
        "one      STARTTLS                      220 go — a note               ok",
        "another  NOOP                          250 fine                      VULNERABLE",
        "",
        "another: Something worse.",
        "1 ok, 1 VULNERABLE",
    ]


def test_long_texts_are_broken_into_lines() -> None:
    long = Result("one", "", Verdict.OK, "word " * 20, "x" * 100)
    assert max(map(len, table([long], 80).splitlines())) <= 80


def test_very_long_texts_are_cut_short() -> None:
    long = Result("one", "", Verdict.OK, "", "x" * 100_000)
    assert table([long], 80).count("x") < 400


def test_narrow_terminal_is_no_trouble() -> None:
    assert "STARTTLS" in table([GOOD, BAD], 1)


def test_json_has_everything() -> None:
    assert json.loads(as_json([BAD], "[::1]:143", "imap")) == {
        "server": "[::1]:143",
        "protocol": "imap",
        "results": [
            {
                "case": "another",
                "meaning": "Something worse.",
                "verdict": "VULNERABLE",
                "sent": "NOOP",
                "came": "250 fine",
                "note": "",
            }
        ],
    }
