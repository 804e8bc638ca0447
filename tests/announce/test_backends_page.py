"""The tables in docs/backends.md of what a header carries, beside the TLVs and the options that add them."""

from __future__ import annotations

import re

from mailproxy.proxyprotocol import SslType, TlvType
from mailproxy.proxyprotocol.options import OPTIONS
from tests.modules import ROOT

PAGE = (ROOT.parent / "docs" / "backends.md").read_text(encoding="utf-8")

NOT_ADDED = {TlvType.NOOP, TlvType.NETNS, TlvType.GCP, TlvType.AWS, TlvType.AZURE, SslType.SIG_SCHEME}
"""What mailproxy never adds itself: the configuration sets it, or it is passed on."""


def rows(first_line: str) -> dict[str, set[str]]:
    """The options that each row of a table names, by the name in its first column."""
    _, found, rest = PAGE.partition(f"\n{first_line}\n")
    assert found, f"docs/backends.md has no table that begins with {first_line}"
    cells = [line.split(" | ") for line in rest.partition("\n\n")[0].splitlines()[1:]]
    return {name.removeprefix("| "): set(re.findall("option `([a-z0-9-]+)`", how)) for name, how, *_ in cells}


def options(type: TlvType | SslType) -> set[str]:
    """The words that add a TLV, or a field of the SSL TLV."""
    return {word for word, added in OPTIONS.items() if added == type}


def test_what_is_never_added_has_no_option() -> None:
    assert NOT_ADDED.isdisjoint(OPTIONS.values())


def test_page_has_every_tlv_that_is_added_with_its_option() -> None:
    those = rows("| in the header | with | value |")
    names = {type.name: options(type) for type in TlvType if type not in NOT_ADDED}
    assert {name: words for name, words in those.items() if not name.startswith("TLVs of ")} == names


def test_page_has_every_field_of_the_ssl_tlv_with_its_option() -> None:
    those = rows("| field | with | value |")
    names = {type.name: options(type) for type in SslType if type not in NOT_ADDED}
    assert those == {"client": set(), "verify": set(), **names}
