"""Merges the ``check`` tables of a backend, of its ``default-server`` and of a server, key by key."""

import os
from collections.abc import Mapping
from typing import Any, get_args

from mailproxy.config.check import CONNECTING, NEEDED_KEYS, Check, CheckType
from mailproxy.config.http import (
    read_headers,
    read_json,
)
from mailproxy.config.key import given_keys, keys_of
from mailproxy.config.layers import Layer, Layers
from mailproxy.config.model import SendProxy
from mailproxy.config.place import ServerAddress, UnixServer
from mailproxy.config.table import Table
from mailproxy.config.words import listed
from mailproxy.profiles import CheckDefaults

_FILES = ("password-file", "authorization-file")


_KEYS_OF: Mapping[CheckType, tuple[str, ...]] = {
    kind: tuple(name for name, _, about in keys_of(Check) if kind in about.types) for kind in get_args(CheckType)
}


def read_check(folder: str, table: Table) -> Layer:
    """Read one table; relative paths start at `folder`."""
    values = given_keys(table, Check)
    for key in _FILES:
        if key in values:
            values[key] = os.path.join(folder, values[key])
    found = {
        "headers": table.child_if_there("headers", read_headers),
        "json": table.child_if_there("json", read_json),
    }
    return Layer(table, values | {key: value for key, value in found.items() if value is not None})


def check_type(check: Layers, defaults: CheckDefaults) -> CheckType:
    """Return the type of the check: "none" without any table."""
    kind: CheckType = check.value("type", defaults.type) if check else "none"
    return kind


def judge_tables(check: Layers, defaults: CheckDefaults) -> None:
    """Refuse, in each table, keys for other types of checks than the one in effect there."""
    if not check.is_sound("type"):
        return
    for so_far in check.up_to_each():
        kind = check_type(so_far, defaults)
        origin = "" if "type" in so_far else ", which is the default"
        for key in so_far.last.values:
            if key != "type" and key not in _KEYS_OF[kind]:
                types = [other for other, keys in _KEYS_OF.items() if key in keys]
                so_far.last.table.report(key, f'is for type = {_either(types)}; this check has "{kind}"{origin}')


def _either(types: list[CheckType]) -> str:
    return listed(types) if len(types) == 1 else f"{listed(types[:-1])} or {listed(types[-1:])}"


def judge_whole(check: Layers, kind: CheckType) -> None:
    """Refuse a merged check that lacks a key."""
    for key, what in NEEDED_KEYS.get(kind, {}).items():
        if key not in check and check.is_sound("type", key):
            check.report(key, f'is missing: type = "{kind}" needs {what}', because="type")
    if kind == "http" and check.is_sound("method", "body", "json"):
        method = check.value("method", "GET")
        if "body" in check and method in ("GET", "HEAD"):
            check.report("body", f'needs method = "POST"; it is "{method}"')
        if "json" in check and method == "HEAD":
            check.report("json", 'looks into the answer, and method = "HEAD" gets none')


def judge_place(
    check: Layers, kind: CheckType, address: ServerAddress, send_proxy: SendProxy, *, server_has_tls: bool
) -> None:
    """Refuse keys that do not fit the server's address, TLS or header."""
    if check.value("check-tls", False) and not server_has_tls:
        check.report("check-tls", "needs the server's tls, which is missing")
    header = check.value("check-header", "none")
    if header != "none" and send_proxy == "none":
        check.report("check-header", f'is "{header}", and send-proxy = "none": no header is sent to the server')
    if not isinstance(address, UnixServer):
        return
    is_connecting = kind in CONNECTING and ("port" in check or "address" in check)
    if is_connecting or kind == "agent":
        for key in ("port", "address"):
            if key not in check and check.is_sound(key):
                check.report(key, f"is missing: the server, {address}, is a UNIX socket and has none", because="type")
    if kind == "http" and "{host}" in check.value("url", ""):
        check.report("url", f"has {{host}} in it, and the server, {address}, is a UNIX socket")


def check_in_effect(
    check: Layers, kind: CheckType, defaults: CheckDefaults, send_proxy: SendProxy, *, server_has_tls: bool
) -> Check:
    """Make the check of a server; defaults come from its profile, its TLS and its header."""
    if kind == "none":
        # An explicit type = "none" means that mailproxy never connects for itself.
        return Check(type="none", has_first_look=not check)
    is_login = kind == "login"
    # As in HAProxy: another port or address is another service, which gets header and TLS only on request.
    is_elsewhere = "port" in check or "address" in check
    is_session = kind in CONNECTING
    has_header = is_session and send_proxy != "none" and not is_elsewhere
    usual: dict[str, Any] = {
        "inter": defaults.login_inter if is_login else defaults.inter,
        "timeout": defaults.login_timeout if is_login else defaults.timeout if kind == "mail" else None,
        "header": (defaults.login_header if is_login else defaults.header) if has_header else "none",
        "tls": is_session and server_has_tls and not is_elsewhere,
    }
    keys = _KEYS_OF[kind]
    fields = {name: field for name, field, _ in keys_of(Check)}
    configured = {fields[key]: value for key, value in check.values.items() if key in keys}
    return Check(type=kind, **(usual | configured))
