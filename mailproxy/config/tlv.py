"""TLVs in a configuration: types by name or number, and their values (PROXY protocol specification, section 2.2)."""

import re

from mailproxy.config.kind import Kind, WrongValue
from mailproxy.config.words import nearest, quoted

NAMES = {
    "alpn": 0x01,
    "authority": 0x02,
    "crc32c": 0x03,
    "noop": 0x04,
    "unique-id": 0x05,
    "ssl": 0x20,
    "netns": 0x30,
    "gcp": 0xE0,
    "aws": 0xEA,
    "azure": 0xEE,
}
"""The configuration's names of types."""

CRC32C, NOOP, SSL, UNIQUE_ID = NAMES["crc32c"], NAMES["noop"], NAMES["ssl"], NAMES["unique-id"]
_NOT_EMPTY = (NAMES["alpn"], NAMES["authority"], UNIQUE_ID)

UNIQUE_ID_SIZE = 128
"""The most bytes of a UNIQUE_ID (section 2.2.5)."""

MAX_CUSTOM_VALUE = 481
"""
The most bytes that fit into a header of 536 bytes (section 2), minus 16 and 36 bytes for IPv6 and 3 for type and
length.
"""

_NEEDS = f"a TLV's name ({', '.join(NAMES)}) or a number from 0 to 255 such as 0xE1"
_DIGITS = re.compile(r"0[xX][0-9A-Fa-f]{1,2}|[0-9]{1,3}")
_WHY_OURS = {
    CRC32C: 'mailproxy computes it for each header; ask for it with proxy-v2-options = ["crc32c"]',
    NOOP: "it is padding, which receivers skip",
    SSL: 'mailproxy writes what it saw itself; ask for it with send-proxy = "v2-ssl"',
}
_WHY_NOT_PASSED = {
    CRC32C: "it was computed for the header it came in and would be wrong in ours",
    NOOP: "it is padding, which receivers skip",
}


def _type(value: int | str) -> int:
    if isinstance(value, str):
        number = NAMES.get(value.lower())
        if number is None and _DIGITS.fullmatch(value):
            number = int(value, 16 if value[:2].lower() == "0x" else 10)
        if number is None:
            meant = nearest(value, NAMES)
            hint = f"did you mean {quoted(meant)}?" if meant else f"needs {_NEEDS}"
            raise WrongValue(f"is {quoted(value)}, which is not a TLV; {hint}")
    else:
        number = value
    if not 0 <= number <= 0xFF:
        shown = hex(number) if number.bit_length() <= 64 else "a number of more than 64 bits"
        raise WrongValue(f"is {shown}; a TLV's type is one byte, 0 to 0xFF")
    return number


def _passed(value: int | str) -> int:
    number = _type(value)
    if number in _WHY_NOT_PASSED:
        raise WrongValue(f"is {quoted(str(value))}, which cannot be passed on: {_WHY_NOT_PASSED[number]}")
    return number


def custom_type(value: int | str) -> int:
    """Read the type of a TLV that the configuration sets, a name or a number; raises `WrongValue`."""
    number = _type(value)
    if number in _WHY_OURS:
        raise WrongValue(f"cannot be set: {_WHY_OURS[number]}")
    return number


def check_value(type: int, value: bytes) -> None:
    """Raise `WrongValue` if a TLV of this type cannot have this value."""
    if type == UNIQUE_ID and len(value) > UNIQUE_ID_SIZE:
        raise WrongValue(f"has {len(value)} bytes; a unique id has {UNIQUE_ID_SIZE} at most")
    if type in _NOT_EMPTY and not value:
        raise WrongValue("is empty; leave it out, or receivers read it as a name")


def _value(text: str) -> bytes:
    if text.startswith("hex:"):
        try:
            value = bytes.fromhex(text.removeprefix("hex:"))
        except ValueError:
            raise WrongValue(
                f'is {quoted(text)}, needs pairs of hexadecimal digits after "hex:", such as "hex:00ff"'
            ) from None
    else:
        value = text.encode()
    if len(value) > MAX_CUSTOM_VALUE:
        raise WrongValue(f"has {len(value)} bytes; a header has room for {MAX_CUSTOM_VALUE} at most")
    return value


TLV_TYPE: Kind[int] = Kind((int, str), _NEEDS, _type)
PASSED_TLV_TYPE: Kind[int] = Kind((int, str), _NEEDS, _passed)
CUSTOM_TLV_TYPE: Kind[int] = Kind((int, str), _NEEDS, custom_type)
CUSTOM_TEXT: Kind[bytes] = Kind((str,), 'a string such as "text" or "hex:00ff"', _value)
CUSTOM_VALUE: Kind[bytes] = Kind(
    (str,), f'{CUSTOM_TEXT.needs}, or a table such as {{ format = "{{tls}} {{sni}}" }}', _value
)
