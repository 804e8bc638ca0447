"""Keys that describe themselves."""

import pytest
from attrs import field, frozen

from mailproxy.config.key import about, keys_of, read_keys
from mailproxy.config.kind import integer
from mailproxy.config.problems import Problems
from mailproxy.config.table import Table
from tests.config.reference import PAGE, TABLES, section, table


@frozen
class Shelf:
    """A table of one key, and a value that is none."""

    most_books: int = field(default=5, metadata=about(integer(1, 9), "How many.", haproxy="maxbooks"))
    name: str = "left"


def read(**values: object) -> tuple[Shelf, list[str]]:
    problems = Problems()
    keys = Table("shelf", values, problems)
    shelf = read_keys(keys, Shelf(name="right"))
    keys.end()
    return shelf, [str(problem) for problem in problems.found]


def test_key_that_is_there_is_read() -> None:
    assert read(**{"most-books": 7}) == (Shelf(7, "right"), [])


def test_key_that_is_not_there_has_the_usual_value() -> None:
    assert read() == (Shelf(5, "right"), [])


def test_wrong_value_is_a_problem_and_the_usual_value_stands_in() -> None:
    shelf, problems = read(**{"most-books": 10})
    assert (shelf, problems) == (Shelf(5, "right"), ["shelf.most-books: is 10, needs a whole number from 1 to 9"])


def test_field_without_a_key_is_none() -> None:
    assert [name for name, _, _ in keys_of(Shelf)] == ["most-books"]
    assert len(read(name="x")[1]) == 1


def test_haproxy_s_word_is_understood_and_the_key_suggested() -> None:
    _, (problem,) = read(maxbooks=3)
    assert problem.endswith('did you mean "most-books" (a whole number from 1 to 9)?')


@pytest.mark.parametrize("heading", TABLES)
def test_page_says_what_the_keys_say(heading: str) -> None:
    """If not: python -m tests.config.reference."""
    assert section(heading, PAGE.read_text())[1] == table(TABLES[heading])
