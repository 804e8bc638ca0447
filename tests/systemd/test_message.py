"""Messages to systemd."""

from hypothesis import given
from hypothesis import strategies as st

from mailproxy.systemd import message


def test_reload_carries_the_time_in_microseconds() -> None:
    assert message.message(message.reloading(1_234_567_890), message.status("reloading")) == (
        b"RELOADING=1\nMONOTONIC_USEC=1234567\nSTATUS=reloading"
    )


def test_time_to_come_is_in_microseconds() -> None:
    assert message.extend(20.5) == "EXTEND_TIMEOUT_USEC=20500000"


@given(st.text())
def test_status_is_one_line(words: str) -> None:
    assert "\n" not in message.status(words)


def test_socket_goes_to_the_store_by_its_place() -> None:
    name = message.stored_name("AF_INET6 [::]:993")
    assert message.store(name) == b"FDSTORE=1\nFDPOLL=0\nFDNAME=bind AF_INET6 [%3A%3A]%3A993"
    assert message.unstore(name) == b"FDSTOREREMOVE=1\nFDNAME=bind AF_INET6 [%3A%3A]%3A993"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_name_in_the_store_is_one_for_systemd(place: str) -> None:
    name = message.stored_name(place)
    assert message.is_stored(name)
    assert name.isascii()
    assert name.isprintable()
    assert ":" not in name
    assert len(name) <= 255


@given(st.text(st.characters(codec="ascii"), max_size=50), st.text(st.characters(codec="ascii"), max_size=50))
def test_different_places_have_different_names(one: str, other: str) -> None:
    assert (message.stored_name(one) == message.stored_name(other)) == (one == other)


def test_names_of_socket_units_are_not_of_the_store() -> None:
    assert not message.is_stored("imaps")
    assert not message.is_stored("mailproxy.socket")
