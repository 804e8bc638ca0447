"""TLVs in a configuration: types by name or number, and constants of one's own (PROXY protocol specification, 2.2)."""

import re

from mailproxy.config.kind import Kind, Wrong
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
"""What a configuration calls the types that have a name."""

CRC32C, NOOP, SSL = NAMES["crc32c"], NAMES["noop"], NAMES["ssl"]

CUSTOM_TYPES = range(0xE0, 0xF8)
"""Section 2.2.8: 0xE0 to 0xEF are the application's, 0xF0 to 0xF7 are for experiments."""

MAX_CUSTOM_VALUE = 481
"""What fits alone in a header of 536 bytes (section 2): less 16 and 36 bytes for IPv6, 3 for type and length."""

_NEEDS = f"a TLV's name ({', '.join(NAMES)}) or a number from 0 to 255 such as 0xE1"
_CUSTOM = "a number from 0xE0 to 0xF7"
_DIGITS = re.compile(r"0[xX][0-9A-Fa-f]{1,2}|[0-9]{1,3}")
_WHY_OURS = {
    NAMES["alpn"]: 'mailproxy writes it itself; ask for it with proxy-v2-options = ["alpn"]',
    NAMES["authority"]: 'mailproxy writes it itself; ask for it with proxy-v2-options = ["authority"]',
    CRC32C: 'mailproxy computes it for each header; ask for it with proxy-v2-options = ["crc32c"]',
    NOOP: "it is padding, which receivers skip",
    NAMES["unique-id"]: 'mailproxy makes one for each session; ask for it with proxy-v2-options = ["unique-id"]',
    SSL: 'mailproxy writes what it saw itself; ask for it with send-proxy = "v2-ssl"',
    NAMES["netns"]: "it says where a connection was made, which no constant can",
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
            raise Wrong(f"is {quoted(value)}, which names no TLV; {hint}")
    else:
        number = value
    if not 0 <= number <= 0xFF:
        shown = hex(number) if number.bit_length() <= 64 else "a number of more than 64 bits"
        raise Wrong(f"is {shown}; a TLV's type is one byte, 0 to 0xFF")
    return number


def _passed(value: int | str) -> int:
    number = _type(value)
    if number in _WHY_NOT_PASSED:
        raise Wrong(f"is {quoted(str(value))}, which cannot be passed on: {_WHY_NOT_PASSED[number]}")
    return number


def custom_type(name: str) -> int:
    """Read the key of a custom TLV, a name or a number in TOML's clothes; raises `Wrong`."""
    number = _type(name)
    if number in _WHY_OURS:
        raise Wrong(f"cannot be set: {_WHY_OURS[number]}; custom TLVs have {_CUSTOM}")
    if number not in CUSTOM_TYPES:
        owner = "reserved" if number > CUSTOM_TYPES[-1] else "the specification's to assign"
        raise Wrong(f"is a type that is {owner}; custom TLVs have {_CUSTOM}")
    return number


def _value(text: str) -> bytes:
    if text.startswith("hex:"):
        try:
            value = bytes.fromhex(text.removeprefix("hex:"))
        except ValueError:
            raise Wrong(
                f'is {quoted(text)}, needs pairs of hexadecimal digits after "hex:", such as "hex:00ff"'
            ) from None
    else:
        value = text.encode()
    if len(value) > MAX_CUSTOM_VALUE:
        raise Wrong(f"has {len(value)} bytes; a header has room for {MAX_CUSTOM_VALUE} at most")
    return value


TLV_TYPE: Kind[int] = Kind((int, str), _NEEDS, _type)
PASSED_TLV_TYPE: Kind[int] = Kind((int, str), _NEEDS, _passed)
CUSTOM_VALUE: Kind[bytes] = Kind((str,), 'a string such as "text" or "hex:00ff"', _value)
