from collections.abc import Callable
from typing import TypeVar

import pytest

from mailproxy.config.kind import BOOLEAN, integer, one_of, text
from mailproxy.config.problems import Problems
from mailproxy.config.table import Table

T = TypeVar("T")

PORT = integer(1, 65535)
COLOUR = one_of(("red", "green"), later={"blue": "blue is out of stock"})


def read(values: dict[str, object], reader: Callable[[Table], T]) -> tuple[T, list[str]]:
    problems = Problems()
    table = Table("table", values, problems)
    result = reader(table)
    table.end()
    return result, [str(problem) for problem in problems.found]


def test_value_of_a_key_is_read() -> None:
    assert read({"port": 25}, lambda table: table.take("port", PORT, 1)) == (25, [])


def test_missing_key_has_its_default() -> None:
    assert read({}, lambda table: table.take("port", PORT, 1)) == (1, [])


def test_wrong_value_is_a_problem_and_the_default_stands_in() -> None:
    assert read({"port": 0}, lambda table: table.take("port", PORT, 1)) == (
        1,
        ["table.port: is 0, needs a whole number from 1 to 65535"],
    )


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (True, "true"),
        (2.5, "the number 2.5"),
        ("25", 'the string "25"'),
        ("two\nlines\x7f", 'the string "two\\nlines\\u007f"'),
        ("x" * 200, f'the string "{"x" * 79}…"'),
        ([25], "a list"),
        ({}, "a table"),
    ],
)
def test_wrong_type_is_described(value: object, description: str) -> None:
    _, problems = read({"port": value}, lambda table: table.take("port", PORT, 1))
    assert problems == [f"table.port: is {description}, needs a whole number from 1 to 65535"]


def test_huge_number_is_not_written_out() -> None:
    _, problems = read({"port": 1 << 70000}, lambda table: table.take("port", PORT, 1))
    assert problems == ["table.port: is a number of more than 64 bits, needs a whole number from 1 to 65535"]


def test_number_is_no_boolean() -> None:
    _, problems = read({"on": 1}, lambda table: table.take("on", BOOLEAN, False))
    assert problems == ["table.on: is the number 1, needs true or false"]


def test_missing_key_is_reported_with_what_it_needs() -> None:
    assert read({}, lambda table: table.require("port", PORT, 1)) == (
        1,
        ["table.port: is missing, needs a whole number from 1 to 65535"],
    )


def test_choice_suggests_the_nearest() -> None:
    _, problems = read({"colour": "gren"}, lambda table: table.take("colour", COLOUR, "red"))
    assert problems == ['table.colour: is "gren", needs one of "red", "green"; did you mean "green"?']


def test_choice_explains_what_comes_later() -> None:
    _, problems = read({"colour": "blue"}, lambda table: table.take("colour", COLOUR, "red"))
    assert problems == ['table.colour: is "blue": blue is out of stock']


@pytest.mark.parametrize("value", ["", "a\0b", "a\nb"])
def test_text_is_printable(value: str) -> None:
    _, problems = read({"file": value}, lambda table: table.take("file", text("a file"), None))
    assert len(problems) == 1


def test_every_entry_of_a_list_is_looked_at() -> None:
    assert read({"ports": [1, 0, "x", 2]}, lambda table: table.each("ports", PORT)) == (
        (1, 2),
        [
            "table.ports[1]: is 0, needs a whole number from 1 to 65535",
            'table.ports[2]: is the string "x", needs a whole number from 1 to 65535',
        ],
    )


def test_single_value_is_no_list() -> None:
    _, problems = read({"ports": 1}, lambda table: table.each("ports", PORT))
    assert problems == [
        "table.ports: is the number 1, needs a list in which each entry is a whole number from 1 to 65535"
    ]


@pytest.mark.parametrize(("values", "state"), [({}, "is missing"), ({"ports": []}, "is an empty list")])
def test_missing_or_empty_list_is_reported_if_it_is_required(values: dict[str, object], state: str) -> None:
    _, problems = read(values, lambda table: table.require_each("ports", PORT))
    assert problems == [f"table.ports: {state}, needs a list in which each entry is a whole number from 1 to 65535"]


def test_unknown_key_names_the_nearest() -> None:
    _, problems = read({"prot": 1}, lambda table: table.take("port", PORT, 1))
    assert problems == ['table.prot: is not a key that mailproxy knows; did you mean "port"?']


def test_unknown_key_with_nothing_near_lists_what_there_is() -> None:
    _, problems = read({"xyzzy": 1}, lambda table: table.take("port", PORT, 1))
    assert problems == ['table.xyzzy: is not a key that mailproxy knows; known here: "port"']


def test_underscore_for_a_dash_is_understood() -> None:
    _, problems = read({"max_conn": 1}, lambda table: table.take("max-conn", PORT, 1))
    assert problems == ['table.max_conn: is not a key that mailproxy knows; did you mean "max-conn"?']


def test_key_of_other_versions_is_explained_once() -> None:
    _, problems = read({"check": {}}, lambda table: table.refuse("check", "comes later"))
    assert problems == ["table.check: comes later"]


def test_key_that_is_no_bare_key_is_quoted() -> None:
    _, problems = read({'a b."\n': 1}, lambda table: None)
    assert problems == ['table."a b.\\"\\n": is not a key that mailproxy knows; known here: ']


def test_tables_are_read_by_name_in_the_files_order() -> None:
    values: dict[str, object] = {"server": {"b": {"port": 1}, "a": {"port": 2}}}
    assert read(values, lambda table: table.children("server", lambda name, t: (name, t.take("port", PORT, 9)))) == (
        (("b", 1), ("a", 2)),
        [],
    )


def test_forgotten_name_is_noticed() -> None:
    _, problems = read({"server": {"port": 1}}, lambda table: table.children("server", lambda name, t: name))
    assert problems == ["table.server.port: is the number 1, needs to be in a table: [table.server.NAME]"]


@pytest.mark.parametrize("name", ["", "a b", "-a", ".a", "a\n", "é", "x" * 65])
def test_bad_name_is_refused(name: str) -> None:
    _, problems = read({"server": {name: {}}}, lambda table: table.children("server", lambda name, t: name))
    assert len(problems) == 1
    assert "is not a name" in problems[0]


def test_list_in_place_of_a_table_is_refused() -> None:
    _, problems = read({"server": []}, lambda table: table.child("server", lambda t: None))
    assert problems == ["table.server: is a list, needs a table: [table.server]"]


def read_servers(values: dict[str, object]) -> list[str]:
    def read_server(name: str, table: Table) -> None:
        table.require("port", PORT, 9)
        table.child("check", lambda check: None)

    _, problems = read({"server": values}, lambda table: table.children("server", read_server))
    return problems


def test_name_with_dots_that_toml_took_for_tables_is_reported() -> None:
    assert read_servers({"mx1": {"example": {"org": {"port": 1}, "net": {"port": 2}}}}) == [
        'table.server.mx1: has only the table "example.org"; quote a name with dots: [table.server."mx1.example.org"]'
    ]


def test_other_slips_are_no_names_with_dots() -> None:
    assert read_servers({"d1": {"chekc": {"inter": "1s"}}}) == [
        "table.server.d1.port: is missing, needs a whole number from 1 to 65535",
        'table.server.d1.chekc: is not a key that mailproxy knows; did you mean "check"?',
    ]
