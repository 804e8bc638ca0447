"""Reads ``[tls.NAME]``: TLS with clients."""

import os
from functools import partial
from glob import escape
from typing import get_args

from attrs import evolve, field, frozen

from mailproxy.config.duration import LOOKS, duration
from mailproxy.config.key import about, read_keys
from mailproxy.config.kind import BOOLEAN, one_of, text
from mailproxy.config.model import BadClientCertificate, ClientCertificates, TlsVersion
from mailproxy.config.path import file_path
from mailproxy.config.table import Table

_PATTERN = file_path('a PEM file, a pattern or a folder such as "/etc/ssl/mail/*.pem"')

_CIPHERS = text('OpenSSL\'s list of cipher names such as "ECDHE+AESGCM:ECDHE+CHACHA20"')

_GROUPS = text('a list of groups such as "X25519MLKEM768:X25519:P-256"')

_SIGNATURES = text('a list of signature algorithms such as "ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"')

_CIPHERSUITES = text('a list of TLS 1.3 names such as "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"')


@frozen(kw_only=True)
class TlsProfile:
    """TLS with clients, ``[tls.NAME]``; paths are absolute."""

    name: str
    certificates: tuple[str, ...] = field(
        metadata=about(
            _PATTERN,
            "Each entry is a PEM file with certificate, chain and key inside (as HAProxy has them), a folder with "
            "`fullchain.pem` and `privkey.pem` (as ACME clients make them) or `tls.crt` and `tls.key` (as Kubernetes "
            "does), or a pattern for either: `*`, `?`, `[…]`, `**`. The files that a pattern matches are read in "
            "alphabetical order. OCSP responses are in files beside: [certificates.md](certificates.md).",
            values="list",
            haproxy="crt",
            is_list=True,
            is_needed=True,
        ),
    )
    strict_sni: bool = field(
        default=False,
        metadata=about(
            BOOLEAN,
            "Whether clients that ask for a name that no certificate has, or for none, are refused (alert "
            "`unrecognized_name`) and not served with the first certificate. Many mail clients ask for none.",
            haproxy="strict-sni",
        ),
    )
    watch: float | None = field(
        default=None,
        metadata=about(
            LOOKS,
            "How often the files of `certificates` are checked; [certificates.md](certificates.md#renewals).",
            default="that of the whole configuration",
        ),
    )
    min_version: TlsVersion = field(
        default="1.2",
        metadata=about(
            one_of(get_args(TlsVersion)),
            "The oldest TLS version. Versions before 1.2 are not supported (RFC 8996); 1.3 alone still locks out "
            "mail clients in use.",
            haproxy="ssl-min-ver",
        ),
    )
    max_version: TlsVersion = field(
        default="1.3",
        metadata=about(
            one_of(get_args(TlsVersion)),
            "The newest TLS version.",
            haproxy="ssl-max-ver",
        ),
    )
    client_certificates: ClientCertificates = field(
        default="none",
        metadata=about(
            one_of(get_args(ClientCertificates)),
            "Whether clients are asked for a certificate. Asking makes some mail clients show a dialogue, so it is "
            "not the default. `bad-client-certificate` says what happens if a certificate does not verify.",
            haproxy="verify",
        ),
    )
    client_ca: tuple[str, ...] = field(
        default=(),
        metadata=about(
            file_path('a file such as "/etc/ssl/clients.pem"'),
            "PEM files of the authorities to verify clients' certificates with. Needed unless `client-certificates` "
            'is `"none"`; the files are always read and must be valid.',
            values="file, or list of files",
            haproxy="ca-file",
            is_list=True,
            or_one=True,
        ),
    )
    client_crl: tuple[str, ...] = field(
        default=(),
        metadata=about(
            file_path('a file such as "/etc/ssl/clients.crl"'),
            "Lists of revoked certificates, PEM or DER. With any, each authority of a client's chain needs one that "
            "has not expired: a client whose authority has none is refused ([tls.md](tls.md#revoked-certificates)).",
            values="file, or list of files",
            haproxy="crl-file",
            is_list=True,
            or_one=True,
        ),
    )
    bad_client_certificate: BadClientCertificate = field(
        default="refused",
        metadata=about(
            one_of(get_args(BadClientCertificate)),
            "A client's certificate that does not verify (expired, revoked, for another purpose, of another "
            'authority) ends the handshake. `"unverified"`, which is for `client-certificates = "optional"`, '
            "accepts the client without trust: servers get OpenSSL's code in `verify`, and neither CN nor "
            "certificate.",
            haproxy="crt-ignore-err",
        ),
    )
    ciphers: str | None = field(
        default=None,
        metadata=about(
            _CIPHERS,
            "TLS 1.2 ciphers, in OpenSSL's cipher list format. The default has only forward secrecy, and AEAD "
            "before CBC: [tls.md](tls.md#ciphers) lists it.",
            values="text",
            default="see tls.md",
            haproxy="ciphers",
        ),
    )
    cbc_ciphers: bool = field(
        default=True,
        metadata=about(
            BOOLEAN,
            "Whether the default of `ciphers` ends with CBC ciphers. Outlook on Windows 7 and 8 has no others; "
            "without such clients, `false` is better.",
        ),
    )
    ciphersuites: str | None = field(
        default=None,
        metadata=about(
            _CIPHERSUITES,
            "TLS 1.3 cipher suites, separated by colons; the first that the client supports is used. The order is "
            "that of Mozilla's guidelines; OpenSSL's own has AES-256 first, which makes a handshake cost 5 % more.",
            values="text",
            default="`TLS_AES_128_GCM_SHA256`, `TLS_AES_256_GCM_SHA384`, `TLS_CHACHA20_POLY1305_SHA256`",
            haproxy="ciphersuites",
        ),
    )
    groups: str | None = field(
        default=None,
        metadata=about(
            _GROUPS,
            "Groups for key exchange, separated by colons; the first that the client has sent a key share for is "
            "used. X25519MLKEM768 protects traffic that is recorded today from later quantum computers: "
            "[tls.md](tls.md#groups) has its cost.",
            values="text",
            default="`X25519MLKEM768`, `X25519`, `P-256`, `P-384`, `P-521`",
            haproxy=("curves", "ecdhe"),
        ),
    )
    signature_algorithms: str | None = field(
        default=None,
        metadata=about(
            _SIGNATURES,
            "Signatures to make with the certificate's key, and to accept from clients' certificates, separated by "
            "colons; the first that both sides support is used. The default has ECDSA before RSA, and neither SHA-1 "
            "nor SHA-224: [tls.md](tls.md#signatures).",
            values="text",
            default="see tls.md",
            haproxy="sigalgs",
        ),
    )
    tickets: bool = field(
        default=True,
        metadata=about(
            BOOLEAN,
            "Whether clients get tickets to resume TLS sessions, which saves half of a handshake's work. `false`: "
            "every connection has a full handshake.",
            haproxy="no-tls-tickets",
        ),
    )
    ticket_lifetime: float = field(
        default=7200.0,
        metadata=about(
            duration(at_most="7d"),
            "How long a ticket is valid, in whole seconds. It also limits how long a client's certificate counts as "
            "verified ([tls.md](tls.md#certificates-and-resumption)). TLS 1.3 allows at most seven days.",
            haproxy="tune.ssl.lifetime",
        ),
    )
    keylog: str | None = field(
        default=None,
        metadata=about(
            file_path('a file such as "/run/mailproxy/keys"'),
            "The file for the keys of every connection, for Wireshark, readable only by its owner (0600). **Its "
            "readers can read mail and passwords**: `check` and the start warn of it.",
            values="file",
            haproxy="tune.ssl.keylog",
        ),
    )


def read_profile(folder: str, name: str, table: Table) -> TlsProfile:
    """Read one profile; relative paths start at `folder`."""
    profile = read_keys(table, TlsProfile(name=name, certificates=()))
    profile = evolve(
        profile,
        certificates=tuple(map(partial(_from, folder), profile.certificates)),
        client_ca=tuple(os.path.join(folder, path) for path in profile.client_ca),
        keylog=None if profile.keylog is None else os.path.join(folder, profile.keylog),
        client_crl=tuple(os.path.join(folder, path) for path in profile.client_crl),
    )
    _check_versions(profile, table)
    _check_ciphers(profile, table)
    _check_client_certificates(profile, table)
    _check_tickets(profile, table)
    return profile


def _from(folder: str, pattern: str) -> str:
    """Make `pattern` absolute; special characters in the folder's name stay plain characters."""
    is_pattern = any(sign in pattern for sign in "*?[")
    return os.path.join(escape(folder) if is_pattern else folder, pattern)


def _check_versions(profile: TlsProfile, table: Table) -> None:
    if table.is_sound("min-version", "max-version") and profile.min_version > profile.max_version:
        table.report("min-version", f'is "{profile.min_version}", above max-version = "{profile.max_version}"')


def _check_tickets(profile: TlsProfile, table: Table) -> None:
    if not profile.tickets and "ticket-lifetime" in table:
        table.report("ticket-lifetime", "has no effect with tickets = false; leave one of the two out")


def _check_client_certificates(profile: TlsProfile, table: Table) -> None:
    asks = f'client-certificates = "{profile.client_certificates}"'
    if not profile.client_ca and table.is_sound("client-ca"):
        if profile.client_certificates != "none":
            table.report("client-ca", f"is needed by {asks}")
        if profile.client_crl:
            table.report("client-crl", "has lists, and there is no client-ca whose certificates could be on them")
    if profile.bad_client_certificate == "unverified" and profile.client_certificates != "optional":
        needed = f'client-certificates = "optional"; it is "{profile.client_certificates}"'
        table.report("bad-client-certificate", f'is "unverified", which needs {needed}')


def _check_ciphers(profile: TlsProfile, table: Table) -> None:
    if not table.is_sound("min-version", "max-version"):
        return
    if profile.ciphers is not None and profile.min_version == "1.3":
        table.report("ciphers", 'is for TLS 1.2, which min-version = "1.3" excludes; TLS 1.3 has ciphersuites')
    if "cbc-ciphers" in table and profile.ciphers is not None:
        table.report("cbc-ciphers", "is about the default of ciphers, and ciphers are given; leave one of the two out")
    if profile.ciphersuites is not None and profile.max_version == "1.2":
        table.report("ciphersuites", 'is for TLS 1.3, which max-version = "1.2" excludes; TLS 1.2 has ciphers')
    if profile.ciphers is not None and profile.ciphers.startswith("TLS_"):
        table.report(
            "ciphers", f"has a TLS 1.3 name ({profile.ciphers.partition(':')[0]}); put those into ciphersuites"
        )
