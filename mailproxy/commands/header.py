"""Makes a PROXY protocol header, or explains one byte by byte."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path

from mailproxy.proxyprotocol import (
    Address,
    Command,
    Header,
    InetAddress,
    SslClient,
    SslTlv,
    SslType,
    Tlv,
    TlvType,
    UnixAddress,
    encode,
)
from mailproxy.proxyprotocol.explain import explain
from mailproxy.proxyprotocol.ssl import NOT_VERIFIED

_TEXT_OF_SSL = {
    "tls_version": SslType.VERSION,
    "cn": SslType.CN,
    "key_alg": SslType.KEY_ALG,
    "sig_alg": SslType.SIG_ALG,
    "cipher": SslType.CIPHER,
    "group": SslType.GROUP,
    "sig_scheme": SslType.SIG_SCHEME,
}
"""The options with a text of the SSL TLV, in HAProxy's order."""


def configure(parser: ArgumentParser) -> None:
    """Name the arguments of ``mailproxy header``."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    encoding = actions.add_parser("encode", help="make a header", description="Make a header and print it in hex.")
    encoding.set_defaults(action=_encode)
    _configure_encode(encoding)
    decoding = actions.add_parser(
        "decode", help="explain a header", description="Explain a header; exit status 1 if the header is malformed."
    )
    decoding.set_defaults(action=_decode)
    decoding.add_argument("hex", nargs="*", help="the header in hex; without it, stdin is read, hex or raw bytes")


def _configure_encode(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--version", type=int, choices=(1, 2), default=2, help="of the protocol (default: 2)")
    add("--local", action="store_true", help="LOCAL: the connection is the sender's own")
    add("--source", type=_address, metavar="ADDRESS", help="of the client: 192.0.2.1:40000, [::1]:40000, unix:/path")
    add("--destination", type=_address, metavar="ADDRESS", help="that the client connected to")
    add("--tlv", type=_tlv, action="append", default=[], metavar="0xE1=VALUE", help="a TLV: text, or hex:00ff; repeats")
    add("--crc32c", action="store_true", help="add the checksum")
    add("--alpn", metavar="NAME", help="the application protocol, imap for example")
    add("--authority", metavar="NAME", help="the host name the client asked for (SNI)")
    add("--unique-id", metavar="TEXT", help="an id of the connection")
    add("--netns", metavar="NAME", help="the network namespace")
    add("--budget", type=int, metavar="BYTES", help="leave out what does not fit into this many bytes")
    add("--raw", action="store_true", help="print the bytes themselves")
    tls = parser.add_argument_group("TLS", "Any of these adds the SSL TLV.")
    tls.add_argument("--ssl", action="store_true", help="the client is connected over TLS")
    tls.add_argument("--tls-version", metavar="NAME", help="default: TLSv1.3")
    tls.add_argument("--cn", metavar="NAME", help="the common name of the client's certificate")
    tls.add_argument("--key-alg", metavar="NAME", help="the key of the certificate shown to the client, RSA2048")
    tls.add_argument("--sig-alg", metavar="NAME", help="how that certificate is signed, RSA-SHA256")
    tls.add_argument("--cipher", metavar="NAME", help="TLS_AES_256_GCM_SHA384")
    tls.add_argument("--group", metavar="NAME", help="the key exchange group, x25519")
    tls.add_argument("--sig-scheme", metavar="NAME", help="rsa_pss_rsae_sha256")
    tls.add_argument("--client-cert", type=Path, metavar="FILE", help="the client's certificate in DER")
    tls.add_argument("--resumed", action="store_true", help="the certificate came earlier in this TLS session")
    tls.add_argument("--verify", type=int, metavar="NUMBER", help="default: 0 with a client certificate, 1 without")


def run(arguments: Namespace) -> int:
    """Make or explain a header; return the exit status."""
    status: int = arguments.action(arguments)
    return status


def _encode(arguments: Namespace) -> int:
    try:
        encoded = encode(_header(arguments), budget=arguments.budget, crc32c=arguments.crc32c)
    except (ValueError, OSError) as error:
        print(f"mailproxy header: {error}", file=sys.stderr)
        return 1
    if encoded.left_out:
        names = ", ".join(tlv.name for tlv in encoded.left_out)
        print(f"mailproxy header: left out to fit {arguments.budget} bytes: {names}", file=sys.stderr)
    if arguments.raw:
        sys.stdout.buffer.write(encoded.data)
    else:
        print(encoded.data.hex())
    return 0


def _decode(arguments: Namespace) -> int:
    try:
        data = _unhex("".join(arguments.hex)) if arguments.hex else _read_stdin()
    except ValueError as error:
        print(f"mailproxy header: not hex: {error}", file=sys.stderr)
        return 1
    explanation = explain(data)
    if explanation.fields:
        print(explanation, flush=True)
    if explanation.error is not None:
        print(f"mailproxy header: bad header: {explanation.error}", file=sys.stderr)
        return 1
    return 0


def _read_stdin() -> bytes:
    data = sys.stdin.buffer.read()
    # No header begins with hex digits, so hex can be distinguished from raw bytes.
    return _unhex(data.decode("ascii")) if re.fullmatch(rb"[0-9A-Fa-f\s:]+", data) and data.strip() else data


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _header(arguments: Namespace) -> Header:
    tlvs = _tlvs(arguments)
    if arguments.local:
        if arguments.source or arguments.destination:
            raise ValueError("--local has no --source and no --destination")
        return Header(arguments.version, Command.LOCAL, tlvs=tlvs)
    if arguments.source is None or arguments.destination is None:
        raise ValueError("--source and --destination are both needed, or --local")
    return Header.proxy(arguments.source, arguments.destination, tlvs, arguments.version)


def _tlvs(arguments: Namespace) -> tuple[Tlv, ...]:
    """Return the TLVs in the order HAProxy writes them."""
    texts = ((TlvType.ALPN, "alpn"), (TlvType.AUTHORITY, "authority"), (TlvType.UNIQUE_ID, "unique_id"))
    tlvs: list[Tlv] = list(arguments.tlv)
    if arguments.crc32c and arguments.version == 2:
        tlvs.append(Tlv(TlvType.CRC32C, bytes(4)))
    tlvs += [Tlv(type, getattr(arguments, name).encode()) for type, name in texts if getattr(arguments, name)]
    ssl = _ssl(arguments)
    if ssl is not None:
        tlvs.append(ssl.tlv())
    if arguments.netns:
        tlvs.append(Tlv(TlvType.NETNS, arguments.netns.encode()))
    return tuple(tlvs)


def _ssl(arguments: Namespace) -> SslTlv | None:
    fields = {type: getattr(arguments, name) for name, type in _TEXT_OF_SSL.items()}
    has_certificate = arguments.cn is not None or arguments.client_cert is not None
    if not (arguments.ssl or has_certificate or any(fields.values())):
        return None
    fields[SslType.VERSION] = fields[SslType.VERSION] or "TLSv1.3"
    tlvs = [Tlv(type, text.encode()) for type, text in fields.items() if text is not None]
    if arguments.client_cert is not None:
        tlvs.append(Tlv(SslType.CLIENT_CERT, arguments.client_cert.read_bytes()))
    client = SslClient.SSL
    if has_certificate:
        client |= SslClient.CERT_SESS if arguments.resumed else SslClient.CERT_SESS | SslClient.CERT_CONN
    verify = arguments.verify if arguments.verify is not None else 0 if has_certificate else NOT_VERIFIED
    return SslTlv(client, verify, tuple(tlvs))


def _address(text: str) -> Address:
    if text.startswith("unix:"):
        return UnixAddress(text.removeprefix("unix:").encode())
    try:
        return InetAddress.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _tlv(text: str) -> Tlv:
    name, equals, value = text.partition("=")
    try:
        type = int(TlvType[name.upper().replace("-", "_")]) if name[:1].isalpha() else int(name, 0)
        if not equals or not 0 <= type <= 0xFF:
            raise ValueError
        return Tlv(type, bytes.fromhex(value[4:]) if value.startswith("hex:") else value.encode())
    except (KeyError, ValueError):
        raise ArgumentTypeError(f"{text!r} is not like 0xE1=text or 0xE1=hex:00ff") from None
