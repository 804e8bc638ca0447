"""Reads ``proxy-v2-tlvs`` and ``unique-id-format`` of a backend: the TLVs whose values the configuration sets."""

from collections.abc import Collection

from attrs import field, frozen

from mailproxy.config.format import FORMAT, Format
from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import WrongValue
from mailproxy.config.model import CustomTlv
from mailproxy.config.table import Table
from mailproxy.config.tlv import CUSTOM_VALUE, UNIQUE_ID, check_value, custom_type
from mailproxy.proxyprotocol.options import Option


@frozen(kw_only=True)
class FormattedTlv:
    """A value of ``proxy-v2-tlvs`` that is filled for each session."""

    format: Format | None = field(
        default=None,
        metadata=about(
            FORMAT,
            "Text with fields in braces.",
            values="format",
            haproxy="fmt",
            is_needed=True,
        ),
    )


def read_custom_tlvs(table: Table) -> tuple[CustomTlv, ...]:
    """Read ``proxy-v2-tlvs``, in its order."""
    found: dict[int, str] = {}
    tlvs = []
    for key in table:
        value = table.value_or_child(key, CUSTOM_VALUE, _read_format)
        try:
            number = custom_type(key)
            if isinstance(value, bytes):
                check_value(number, value)
        except WrongValue as error:
            table.report(key, str(error))
            continue
        if number in found:
            table.report(key, f"is the same type as {found[number]}; each is sent once")
        found[number] = key
        if value is not None:
            tlvs.append(CustomTlv(number, value))
    return tuple(tlvs)


def _read_format(table: Table) -> Format | None:
    return read_keys(table, FormattedTlv()).format


def read_unique_id(table: Table, options: Collection[Option], tlvs: tuple[CustomTlv, ...]) -> tuple[CustomTlv, ...]:
    """
    Read ``unique-id-format`` of a backend with these ``proxy-v2-options`` and ``proxy-v2-tlvs``.

    Return the TLV, or nothing without a format: then the session's id is sent.
    """
    format = table.take("unique-id-format", FORMAT, None)
    if format is None:
        return ()
    if "unique-id" not in options:
        table.report("unique-id-format", 'has no effect without "unique-id" in proxy-v2-options')
    if any(tlv.type == UNIQUE_ID for tlv in tlvs):
        table.report("unique-id-format", "and proxy-v2-tlvs both set the unique id; choose one")
    return (CustomTlv(UNIQUE_ID, format),)
