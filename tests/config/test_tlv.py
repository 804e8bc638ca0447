import pytest

from mailproxy.config import CustomTlv
from mailproxy.config.kind import Wrong
from mailproxy.config.tlv import PASSED_TLV_TYPE, TLV_TYPE, custom_type
from tests.config.builders import problem, problems, read


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
    with pytest.raises(Wrong, match="a TLV's type is one byte"):
        TLV_TYPE.read(value)


@pytest.mark.parametrize("value", ["", "0x", "0xE1F", "1_0", "0b1", " 1", "٣"])
def test_what_names_nothing_is_refused(value: str) -> None:
    with pytest.raises(Wrong, match="names no TLV"):
        TLV_TYPE.read(value)


def test_nearest_name_is_suggested() -> None:
    with pytest.raises(Wrong, match=r'is "azzure", which names no TLV; did you mean "azure"\?'):
        TLV_TYPE.read("azzure")


@pytest.mark.parametrize("value", ["crc32c", 3, "noop", "0x04"])
def test_what_belongs_to_its_header_is_not_passed_on(value: int | str) -> None:
    with pytest.raises(Wrong, match="cannot be passed on"):
        PASSED_TLV_TYPE.read(value)


@pytest.mark.parametrize("name", ["alpn", "2", "3", "0x04", "unique-id", "0x20", "0x30"])
def test_what_mailproxy_or_nobody_writes_is_not_custom(name: str) -> None:
    with pytest.raises(Wrong, match=r"cannot be set: .*; custom TLVs have a number from 0xE0 to 0xF7"):
        custom_type(name)


def test_unassigned_type_is_not_custom() -> None:
    with pytest.raises(Wrong, match="is a type that is the specification's to assign"):
        custom_type("0x21")


def test_reserved_type_is_not_custom() -> None:
    with pytest.raises(Wrong, match="is a type that is reserved"):
        custom_type("0xF8")


def custom(values: object) -> tuple[CustomTlv, ...]:
    return read(backend__dovecot__proxy_v2_tlvs=values).backends["dovecot"].tlvs


def test_values_are_text_or_hexadecimal_in_order() -> None:
    assert custom({"0xE2": "hex:00fF 01", "0xE1": "é", "azure": "", "0xF7": "hex:"}) == (
        CustomTlv(0xE2, b"\x00\xff\x01"),
        CustomTlv(0xE1, b"\xc3\xa9"),
        CustomTlv(0xEE, b""),
        CustomTlv(0xF7, b""),
    )


def test_bad_hexadecimal_is_refused() -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xE1": "hex:0g"}).startswith(
        'backend.dovecot.proxy-v2-tlvs.0xE1: is "hex:0g", needs pairs of hexadecimal digits'
    )


def test_value_fits_a_header() -> None:
    assert len(custom({"0xE1": "x" * 481})[0].value) == 481
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xE1": "x" * 482}) == (
        "backend.dovecot.proxy-v2-tlvs.0xE1: has 482 bytes; a header has room for 481 at most"
    )


def test_type_is_set_once() -> None:
    assert problem(backend__dovecot__proxy_v2_tlvs={"0xEE": "a", "azure": "b"}) == (
        "backend.dovecot.proxy-v2-tlvs.azure: is the same type as 0xEE; each is sent once"
    )


def test_both_type_and_value_are_looked_at() -> None:
    assert len(problems(backend__dovecot__proxy_v2_tlvs={"ssl": 3})) == 2
