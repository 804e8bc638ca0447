"""The fields of a session's log record for received TLVs, ``log-tlvs``."""

from __future__ import annotations

from collections.abc import Iterable

from mailproxy.proxyprotocol import (
    Header,
    SslClient,
    SslType,
    Tlv,
    TlvType,
    aws_vpc_endpoint_id,
    azure_link_id,
    gcp_psc_connection_id,
    tlv_name,
)
from mailproxy.proxyprotocol.ssl import text_of
from mailproxy.session.line import Fields, escaped, is_bare


def add_tlvs(fields: Fields, header: Header, types: tuple[int, ...]) -> None:
    """Add the received TLVs of these types, by name, with all values of repeated ones."""
    for type in types:
        if type == TlvType.SSL:
            _add_ssl(fields, header)
        else:
            _add_values(fields, header.tlvs, type)


def _add_ssl(fields: Fields, header: Header) -> None:
    """Add the fields of the SSL TLV, by name."""
    ssl = header.ssl
    if ssl is None:
        return
    flags = [str(flag.name).lower() for flag in SslClient if flag in ssl.client]
    fields["tlv_ssl"] = ",".join(flags) or "clear"
    fields["tlv_ssl_verify"] = ssl.verify
    for type in dict.fromkeys(tlv.type for tlv in ssl.tlvs):
        _add_values(fields, ssl.tlvs, type)


def _add_values(fields: Fields, tlvs: Iterable[Tlv], type: int) -> None:
    values = [_tlv_value(type, tlv.value) for tlv in tlvs if tlv.type == type]
    if values:
        fields[f"tlv_{tlv_name(type).lower()}"] = ",".join(values)


def _tlv_value(type: int, value: bytes) -> str:
    if type == TlvType.AZURE and (link := azure_link_id(value)) is not None:
        return str(link)
    if type == TlvType.GCP and (connection := gcp_psc_connection_id(value)) is not None:
        return str(connection)
    if type == TlvType.AWS and (endpoint := aws_vpc_endpoint_id(value)) is not None:
        return endpoint
    if type == SslType.CN and (name := text_of(value)) is not None:
        return escaped(name)
    text = value.decode("ascii", "replace")
    return text if not text or is_bare(text) else f"hex:{value.hex()}"
