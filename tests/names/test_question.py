"""Names as they are compared and asked."""

import pytest

from mailproxy.names.question import canonical


@pytest.mark.parametrize("name", ["imap.example.org", "IMAP.Example.Org", "imap.example.org."])
def test_same_name_is_written_in_one_way(name: str) -> None:
    assert canonical(name) == "imap.example.org"


def test_service_label_is_part_of_a_name() -> None:
    assert canonical("_imap._tcp.example.org") == "_imap._tcp.example.org"


@pytest.mark.parametrize("name", ["", ".", "a..b", "a b", "a" * 64, "a." * 127 + "a", "ä.example", "a\n", "a/b"])
def test_what_cannot_be_asked_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name that DNS can be asked for"):
        canonical(name)
