"""Records, and how the log shows them."""

from mailproxy.names.record import shown, without_duplicates
from tests.names.builders import record


def test_first_of_the_same_host_and_port_is_kept() -> None:
    first, other = record("192.0.2.1", 143, 5), record("192.0.2.2", 143)
    assert without_duplicates([first, other, record("192.0.2.1", 143, 9)]) == (first, other)


def test_record_is_shown_with_what_is_known() -> None:
    assert str(record("192.0.2.1")) == "192.0.2.1"
    assert str(record("2001:db8::1")) == "2001:db8::1"
    assert str(record("2001:db8::1", 143)) == "[2001:db8::1]:143"
    assert str(record("192.0.2.1", 143, 5, backup=True)) == "192.0.2.1:143 (weight 5, backup)"


def test_no_records_are_shown_as_none() -> None:
    assert shown([]) == "none"


def test_many_records_are_counted() -> None:
    text = shown([record(f"192.0.2.{n}") for n in range(20)])
    assert text.startswith("192.0.2.0, 192.0.2.1, ")
    assert text.endswith(", 192.0.2.7, 12 more")
