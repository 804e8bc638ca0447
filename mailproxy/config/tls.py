"""Reads ``[tls.NAME]``: how TLS is spoken to clients."""

import os
from functools import partial
from glob import escape

from attrs import evolve

from mailproxy.config.key import read_keys
from mailproxy.config.model import TlsProfile
from mailproxy.config.table import Table


def read_profile(folder: str, name: str, table: Table) -> TlsProfile:
    """Read one profile; relative paths start at `folder`."""
    profile = read_keys(table, TlsProfile(name=name, certificates=()))
    profile = evolve(
        profile,
        certificates=tuple(map(partial(_from, folder), profile.certificates)),
        client_ca=None if profile.client_ca is None else os.path.join(folder, profile.client_ca),
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
