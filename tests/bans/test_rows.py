"""Reading long lists of JSON one entry at a time."""

import json
from contextlib import suppress
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.bans.rows import LONGEST_VALUE, MAX_MARKS, MAX_NAMES, TOO_LONG, rows

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def test_entries_come_one_by_one_and_other_values_whole() -> None:
    text = '{"new": [{"id": 1}, {"id": 2}], "other": [1, 2], "deleted": [ ]}'
    assert list(rows(text, ("new", "deleted"))) == [("new", {"id": 1}), ("new", {"id": 2}), ("other", [1, 2])]


def test_null_is_an_empty_list() -> None:
    assert list(rows(' {"new":null,"deleted" : null}\n', ("new", "deleted"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"new"',
        '{"new": [',
        '{"new": [1',
        '{"new": [1,]}',
        '{"new": [1 2]}',
        '{"new": [1' + " " * LONGEST_VALUE + ",2]}",
        '{"new": []} x',
        '{"new": [],}',
        "{} {}",
        "{1: 2}",
        '{"new": ' + "[" * 100_000,
        '{"new": [' + "[" * 100_000,
        '{"x": [' + "1," * LONGEST_VALUE + "1]}",
        '{"new": [[' + "1," * LONGEST_VALUE + "1]]}",
        "{" + " " * LONGEST_VALUE + " }",
        '{"new": ["' + "x" * LONGEST_VALUE + '"]}',
        '{"new": [{"a": "' + "x" * LONGEST_VALUE,
        '{"new": [{"a": "' + "x" * LONGEST_VALUE + '\\"}]}',
        '{"new": [{"a": "' + "x" * LONGEST_VALUE + '"}',
        '{"new": [{"a": "' + "x" * LONGEST_VALUE + '"}}',
        '{"new": [{"a": [' + "1," * LONGEST_VALUE + "[]," * MAX_MARKS + "1]}]}",
        '{"new": [{"a" 1}, {"a": "' + "x" * LONGEST_VALUE + '"}]}',
        '{"a": {"b": "' + "x" * LONGEST_VALUE + '"}}',
        '{"new": []' + ', "new": []' * MAX_NAMES + "}",
        '{"new": null' + ', "new": null' * MAX_NAMES + "}",
    ],
    ids=range(29),
)
def test_text_that_is_not_an_object_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"character|Expecting|nested"):
        list(rows(text, ("new",)))


def test_number_is_whole_wherever_a_piece_ends() -> None:
    wrong = []
    for number, spaces in product(["12345", "1.5", "1e5", "1E-5", "-1.25e+10"], range(1000, 1030)):
        text = f'{{"new": [[{" " * spaces}{number}]], "n": {number}{" " * spaces}}}'
        if list(rows(text, ("new",))) != [("new", [float(number)]), ("n", float(number))]:
            wrong.append(text)
    for spaces in range(1000, 1030):
        text = f'{{"n": {"0." + "1" * spaces}}}'
        if list(rows(text, ())) != list(json.loads(text).items()):
            wrong.append(text)
    assert wrong == []


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.lists(VALUES), st.booleans())
def test_any_object_gives_what_json_loads_gives(others: dict[str, Any], entries: list[Any], is_indented: bool) -> None:
    others.pop("new", None)
    document = {**others, "new": entries}
    text = json.dumps(document, indent=1 if is_indented else None)
    found = list(rows(text, ("new",)))
    assert [value for name, value in found if name == "new"] == entries
    assert {name: value for name, value in found if name != "new"} == others


@pytest.mark.parametrize("size", [LONGEST_VALUE, 2 * LONGEST_VALUE - 30, 5 * LONGEST_VALUE])
@given(st.lists(st.sampled_from(["{", "[", "]", "}", '"', "\\", "é", "\n"]), max_size=8), st.integers(0, 16), VALUES)
def test_object_that_is_too_long_is_passed_over(size: int, marks: list[str], offset: int, other: Any) -> None:
    long = "".join(marks) + "\\" * offset + "x" * size + "".join(marks)
    entries = [1, {"x": other, "long": long, "y": [{}, other]}, {"id": 2}, {long: 1}]
    text = json.dumps({"new": entries, "n": 1})
    assert list(rows(text, ("new",))) == [
        ("new", 1),
        ("new", TOO_LONG),
        ("new", {"id": 2}),
        ("new", TOO_LONG),
        ("n", 1),
    ]


@given(st.text(alphabet='{}[]",:1 nul\\'))
def test_any_text_raises_only_value_errors(text: str) -> None:
    with suppress(ValueError):
        list(rows(text, ("n",)))
