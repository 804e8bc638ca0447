"""The values of TLVs as text, for patterns: an id for those of the clouds, else UTF-8, else hexadecimal digits."""

from __future__ import annotations

from mailproxy.proxyprotocol import Tlv, TlvType, aws_vpc_endpoint_id, azure_link_id, gcp_psc_connection_id


def tlv_text(tlv: Tlv) -> str:
    """Return the text of a TLV's value; one that is not printable text becomes ``hex:…``."""
    found: int | str | None
    match tlv.type:
        case TlvType.AZURE:
            found = azure_link_id(tlv.value)
        case TlvType.AWS:
            found = aws_vpc_endpoint_id(tlv.value)
        case TlvType.GCP:
            found = gcp_psc_connection_id(tlv.value)
        case _:
            found = None
    if found is not None:
        return str(found)
    try:
        text = tlv.value.decode()
    except UnicodeDecodeError:
        return f"hex:{tlv.value.hex()}"
    return text if text.isprintable() else f"hex:{tlv.value.hex()}"
