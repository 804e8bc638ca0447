"""
The PROXY protocol, versions 1 and 2, in both directions, as pure code: bytes in, values out.

The specification is HAProxy's ``doc/proxy-protocol.txt``; sections are named by its numbers. The map, bottom up:

- ``errors``: the errors in a peer's bytes; the caller's own mistakes are ValueError.
- ``mapped``: IPv4 addresses in IPv6 form.
- ``crc32c``, ``address``, ``tlv``, ``ssl``, ``cloud``: the parts of a header.
- ``options``: HAProxy's words for the TLVs that a sender adds.
- ``header``: a header's contents, in any version.
- ``strictness``: which headers a receiver accepts; ``policy``: from which peers.
- ``v1``, ``v2``: the two forms, each with its measuring, parsing and packing.
- ``decoder``: one header from a connection, in any pieces.
- ``omission``, ``encoder``: one header into a budget of bytes.
- ``explain``: a header field by field, for people.
"""

from mailproxy.proxyprotocol.address import Address, InetAddress, UnixAddress
from mailproxy.proxyprotocol.cloud import aws_vpc_endpoint_id, azure_link_id, gcp_psc_connection_id
from mailproxy.proxyprotocol.decoder import Decoder, decode
from mailproxy.proxyprotocol.encoder import Encoded, encode
from mailproxy.proxyprotocol.errors import (
    HeaderRefused,
    HeaderTooLarge,
    MalformedHeader,
    NotProxyProtocol,
    ProxyProtocolError,
    TruncatedHeader,
)
from mailproxy.proxyprotocol.header import Command, Family, Header, Transport
from mailproxy.proxyprotocol.policy import AcceptPolicy, Expectation
from mailproxy.proxyprotocol.ssl import SslClient, SslTlv
from mailproxy.proxyprotocol.strictness import Strictness
from mailproxy.proxyprotocol.tlv import SslType, Tlv, TlvType, tlv_name

__all__ = [
    "AcceptPolicy",
    "Address",
    "Command",
    "Decoder",
    "Encoded",
    "Expectation",
    "Family",
    "Header",
    "HeaderRefused",
    "HeaderTooLarge",
    "InetAddress",
    "MalformedHeader",
    "NotProxyProtocol",
    "ProxyProtocolError",
    "SslClient",
    "SslTlv",
    "SslType",
    "Strictness",
    "Tlv",
    "TlvType",
    "Transport",
    "TruncatedHeader",
    "UnixAddress",
    "aws_vpc_endpoint_id",
    "azure_link_id",
    "decode",
    "encode",
    "gcp_psc_connection_id",
    "tlv_name",
]
