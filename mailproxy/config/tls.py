"""Reads ``[tls.NAME]``: how TLS is spoken to clients."""

import os
from functools import partial
from glob import escape
from typing import get_args

from mailproxy.config.kind import Kind, one_of, text
from mailproxy.config.model import ClientCertificates, TlsProfile, TlsVersion
from mailproxy.config.table import Table

_VERSION: Kind[TlsVersion] = one_of(get_args(TlsVersion))
_CLIENT_CERTIFICATES: Kind[ClientCertificates] = one_of(get_args(ClientCertificates))
_PATTERN = text('a PEM file, a pattern or a folder such as "/etc/ssl/mail/*.pem"')
_FILE = text('a file such as "/etc/ssl/clients.pem"')
_CIPHERS = text('OpenSSL\'s list of cipher names such as "ECDHE+AESGCM:ECDHE+CHACHA20"')
_CIPHERSUITES = text('a list of TLS 1.3 names such as "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"')


def read_profile(folder: str, name: str, table: Table) -> TlsProfile:
    """Read one profile; relative paths start at `folder`."""
    usual = TlsProfile(name=name, certificates=())
    client_ca = table.take("client-ca", _FILE, None)
    profile = TlsProfile(
        name=name,
        certificates=tuple(map(partial(_from, folder), table.require_each("certificates", _PATTERN))),
        min_version=table.take("min-version", _VERSION, usual.min_version),
        max_version=table.take("max-version", _VERSION, usual.max_version),
        client_certificates=table.take("client-certificates", _CLIENT_CERTIFICATES, usual.client_certificates),
        client_ca=None if client_ca is None else os.path.join(folder, client_ca),
        ciphers=table.take("ciphers", _CIPHERS, None),
        ciphersuites=table.take("ciphersuites", _CIPHERSUITES, None),
    )
    _check_versions(profile, table)
    _check_ciphers(profile, table)
    if profile.client_certificates != "none" and "client-ca" not in table:
        table.wrong("client-ca", f'is missing: client-certificates = "{profile.client_certificates}" verifies with it')
    return profile


def _from(folder: str, pattern: str) -> str:
    """Make `pattern` absolute, without turning what the folder happens to be called into a part of the pattern."""
    is_pattern = any(sign in pattern for sign in "*?[")
    return os.path.join(escape(folder) if is_pattern else folder, pattern)


def _check_versions(profile: TlsProfile, table: Table) -> None:
    if table.sound("min-version", "max-version") and profile.min_version > profile.max_version:
        table.wrong("min-version", f'is "{profile.min_version}", above max-version = "{profile.max_version}"')


def _check_ciphers(profile: TlsProfile, table: Table) -> None:
    if not table.sound("min-version", "max-version"):
        return
    if profile.ciphers is not None and profile.min_version == "1.3":
        table.wrong("ciphers", 'is for TLS 1.2, which min-version = "1.3" excludes; TLS 1.3 has ciphersuites')
    if profile.ciphersuites is not None and profile.max_version == "1.2":
        table.wrong("ciphersuites", 'is for TLS 1.3, which max-version = "1.2" excludes; TLS 1.2 has ciphers')
    if profile.ciphers is not None and profile.ciphers.startswith("TLS_"):
        table.wrong("ciphers", f"has a TLS 1.3 name ({profile.ciphers.partition(':')[0]}); those go into ciphersuites")
