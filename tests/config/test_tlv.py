import pytest

from mailproxy.config.kind import WrongValue
from mailproxy.config.tlv import PASSED_TLV_TYPE, TLV_TYPE, custom_type


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("azure", 0xEE),
        ("AWS", 0xEA),
        ("gcp", 0xE0),
        ("unique-id", 5),
        ("ssl", 0x20),
        (0xE1, 0xE1),
        ("0xE1", 0xE1),
        ("225", 225),
        (0, 0),
    ],
)
def test_types_by_name_and_number(value: int | str, number: int) -> None:
    assert TLV_TYPE.read(value) == number


@pytest.mark.parametrize("value", [256, -1, "256", "999", pytest.param(1 << 70000, id="huge")])
def test_type_is_one_byte(value: int | str) -> None:
    with pytest.raises(WrongValue, match="a TLV's type is one byte"):
        TLV_TYPE.read(value)


@pytest.mark.parametrize("value", ["", "0x", "0xE1F", "1_0", "0b1", " 1", "٣"])
def test_what_names_nothing_is_refused(value: str) -> None:
    with pytest.raises(WrongValue, match="is not a TLV"):
        TLV_TYPE.read(value)


def test_nearest_name_is_suggested() -> None:
    with pytest.raises(WrongValue, match=r'is "azzure", which is not a TLV; did you mean "azure"\?'):
        TLV_TYPE.read("azzure")


@pytest.mark.parametrize("value", ["crc32c", 3, "noop", "0x04"])
def test_what_belongs_to_its_header_is_not_passed_on(value: int | str) -> None:
    with pytest.raises(WrongValue, match="cannot be passed on"):
        PASSED_TLV_TYPE.read(value)


@pytest.mark.parametrize("name", ["crc32c", "3", "0x04", "noop", "ssl", "0x20"])
def test_what_mailproxy_writes_cannot_be_set(name: str) -> None:
    with pytest.raises(WrongValue, match=r"^cannot be set: "):
        custom_type(name)


@pytest.mark.parametrize(
    ("name", "number"),
    [("alpn", 1), ("authority", 2), ("unique-id", 5), ("netns", 0x30), ("0x21", 0x21), ("0xFF", 255)],
)
def test_every_other_type_can_be_set(name: str, number: int) -> None:
    assert custom_type(name) == number
