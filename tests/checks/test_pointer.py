"""JSON pointers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.checks.pointer import find, is_same

# RFC 6901 section 5.
DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointer_of_the_rfc_leads_to_its_value(pointer: str, value: Any) -> None:
    assert find(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/bar", "/foo/2", "/foo/01", "/foo/-", "/foo/-1", "/foo/²", "/a~1b/x", "/foo/0/0"])
def test_value_that_is_not_there_is_a_lookup_error(pointer: str) -> None:
    with pytest.raises(LookupError):
        find(DOCUMENT, pointer)


def test_index_that_no_list_has_is_a_lookup_error() -> None:
    with pytest.raises(LookupError):
        find([1], "/" + "9" * 5000)


@pytest.mark.parametrize(("expected", "value"), [(1, 1.0), (True, True), ("x", "x"), (0.5, 0.5)])
def test_equal_json_values_are_the_same(expected: Any, value: Any) -> None:
    assert is_same(expected, value)


@pytest.mark.parametrize(("expected", "value"), [(1, True), (True, 1), (False, 0), ("1", 1), (1, None), (0, [])])
def test_values_of_another_type_are_not_the_same(expected: Any, value: Any) -> None:
    assert not is_same(expected, value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(JSON, st.text(alphabet="/~01-ab²", max_size=8))
def test_anything_is_found_or_a_lookup_error(document: Any, pointer: str) -> None:
    try:
        find(document, f"/{pointer}")
    except LookupError:
        return
