"""
Reads the facts that an admin states of a client, named as the keys of conditions: ``source=10.1.2.3 sni=a.org``.

A fact without a value, ``sni=``, says that the client has none. Without an address it is a client of a UNIX socket,
and without a version of TLS or a cipher it does not use TLS.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from mailproxy.config.condition import FINGERPRINT, PORT, TLS_VERSION
from mailproxy.config.config import Config
from mailproxy.config.frontend import Frontend
from mailproxy.config.kind import WrongValue
from mailproxy.config.moment import DAYS, MOMENTS
from mailproxy.config.place import UNIX
from mailproxy.config.tlv import CUSTOM_VALUE, TLV_TYPE
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.networks.network_list import NetworkLists
from mailproxy.proxyprotocol import Tlv, TlvType
from mailproxy.rules.stated import StatedClient, StatedSurroundings
from mailproxy.rules.unknown import UNKNOWN

_TEXTS = ("sni", "alpn", "tls-version", "cipher", "group", "client-issuer", "client-fingerprint")
_LISTS = ("client-cn", "client-san")
_CLAIMS = ("resumed", "client-verified")
_OF_TLS = (*_TEXTS, *_LISTS, *_CLAIMS)
_ALWAYS_WITH_TLS = ("tls_version", "cipher")
_COUNTS = ("source-connections", "source-rate", "handshake-failures", "auth-failures")
_NAMES = ("source", "destination", "port", "tls", *_OF_TLS, "tlv.TYPE", "time", "banned", *_COUNTS)
_NUMBERS = ("servers-up.BACKEND", "sessions.FRONTEND", "sessions.BACKEND")

_name = re.compile(r"(?:[^\\,]|\\[\\,])+").fullmatch
"""Return a match if a text is one name as the log writes it: commas and backslashes have a backslash before them."""

_YES = {"yes": True, "true": True, "no": False, "false": False}


class BadFacts(ValueError):
    """The stated facts cannot be understood; the text says why."""


def read_facts(
    words: str, settings: Config, frontend: Frontend, lists: NetworkLists, now: int
) -> tuple[StatedClient, StatedSurroundings]:
    """Read stated facts about a client of a frontend; `now` is the time if none is stated. Raises `BadFacts`."""
    reader = _Reader(settings, now)
    for name, value in _facts(words):
        try:
            reader.read(name, value)
        except OverflowError:
            raise BadFacts(f"{name}: is {quoted(value)}, which is too large") from None
        except ValueError as error:
            raise BadFacts(f"{name}: {error}") from None
    client = reader.client
    if frontend.tls == "none" or any(client.get(name, UNKNOWN) is None for name in _ALWAYS_WITH_TLS):
        client = _NO_TLS | {name: value for name, value in client.items() if value or name not in _NO_TLS}
    if reader.has_tlvs or not (frontend.accept_proxy or frontend.accept_proxy_optional):
        client["tlvs"] = tuple(reader.tlvs)
    return StatedClient(**client), StatedSurroundings(lists=lists, **reader.around)


def stated_names(words: str) -> tuple[str, ...]:
    """Return the names of stated facts. Raises `BadFacts`."""
    return tuple(name for name, _ in _facts(words))


class _Reader:
    """The facts so far (mutable)."""

    def __init__(self, settings: Config, now: int) -> None:
        frontends = [frontend.name for frontend in settings.frontends]
        self._names = {"servers-up": [*settings.backends], "sessions": [*frontends, *settings.backends]}
        self.client: dict[str, Any] = {}
        self.around: dict[str, Any] = {"now": now, "numbers": {}, "counts": {}}
        self.tlvs: list[Tlv] = []
        self.has_tlvs = False
        """Whether a TLV is stated, or that there is none; those that are stated are all of the header."""

    def read(self, name: str, value: str) -> None:
        """Read one fact; raises ValueError or OverflowError."""
        if name in _LISTS:
            key = name.replace("-", "_")
            self.client[key] = (*self.client.get(key, ()), *_names(name, value))
        elif name in _READERS:
            self.client[name.replace("-", "_")] = _READERS[name](value)
        elif name in _COUNTS:
            self.around["counts"][name] = float(_number(value))
        elif name.startswith(("servers-up.", "sessions.")):
            self._check_name(name)
            self.around["numbers"][name] = _number(value)
        elif name.startswith("tlv."):
            self._read_tlv(TLV_TYPE.read(name.removeprefix("tlv.")), value)
        else:
            self._read_other(name, value)

    def _read_tlv(self, type: int, value: str) -> None:
        self.has_tlvs = True
        if value:
            self.tlvs.append(Tlv(type, _tlv_value(type, value)))

    def _check_name(self, fact: str) -> None:
        key, _, name = fact.partition(".")
        names = self._names[key]
        if name not in names:
            what = "backend" if key == "servers-up" else "frontend or backend"
            meant = nearest(name, names)
            hint = f"did you mean {key}.{meant}?" if meant else f"there are {listed(dict.fromkeys(names))}"
            raise WrongValue(f"there is no {what} {quoted(name)}; {hint}")

    def _read_other(self, name: str, value: str) -> None:
        match name:
            case "time":
                self.around["now"] = _minute(value)
            case "banned":
                self.around["is_banned"] = _claim(value)
            case "tls" if not _claim(value):
                self.client |= _NO_TLS
            case "tls":
                raise WrongValue("is only for tls=no; state a fact of TLS, such as sni=mail.example.org")
            case _:
                raise WrongValue(_unknown(name))


def _facts(words: str) -> Iterator[tuple[str, str]]:
    try:
        pieces = shlex.split(words)
    except ValueError as error:
        raise BadFacts(f"{quoted(words)} cannot be read: {error}") from None
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not equals:
            raise BadFacts(f"{quoted(piece)} is no fact; write NAME=VALUE, such as source=192.0.2.1")
        yield name, value


def _unknown(name: str) -> str:
    meant = nearest(name, _NAMES)
    return f"is no fact; did you mean {meant}?" if meant else f"is no fact; facts are {listed((*_NAMES, *_NUMBERS))}"


def _host(value: str) -> bytes | None:
    if value in ("", UNIX):
        return None
    try:
        return ip_address(value).packed
    except ValueError:
        raise WrongValue(f'is {quoted(value)}, needs an address, or "{UNIX}"') from None


def _number(value: str) -> int:
    if not value:
        return 0
    if not (value.isascii() and value.isdigit()):
        raise WrongValue(f"is {quoted(value)}, needs a whole number")
    return int(value)


def _port(value: str) -> int | None:
    return PORT.read(_number(value)) if value else None


def _text(value: str) -> str | None:
    return value or None


def _tls_version(value: str) -> str | None:
    """Read a version as conditions have it, or as the log and OpenSSL write it."""
    return TLS_VERSION.read(value.removeprefix("TLSv")) if value else None


def _fingerprint(value: str) -> str | None:
    return FINGERPRINT.read(value) if value else None


def _claim(value: str) -> bool:
    if not value:
        return False
    if value.lower() not in _YES:
        raise WrongValue(f"is {quoted(value)}, needs yes or no")
    return _YES[value.lower()]


def _names(fact: str, value: str) -> tuple[str, ...]:
    """Read one name; a text that may as well be two names is refused."""
    if not value:
        return ()
    if not _name(value):
        raise WrongValue(
            f"is {quoted(value)}, needs a backslash before each comma and backslash, in quotes; "
            f"write {fact}=NAME again for another name"
        )
    return (re.sub(r"\\(.)", r"\1", value),)


def _minute(value: str) -> int:
    day, _, clock = value.partition(" ")
    hours, colon, minutes = clock.partition(":")
    if not (colon and hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise WrongValue(f"is {quoted(value)}, needs a day and a time such as 'Mon 09:30'")
    first = MOMENTS.read(day).spans[0][0]
    if day.capitalize() not in DAYS:
        raise WrongValue(f"is {quoted(value)}, needs one day")
    return first + int(hours) * 60 + int(minutes)


def _tlv_value(type: int, value: str) -> bytes:
    """Return the bytes of a TLV whose value is stated as conditions see it, or in hexadecimal digits."""
    if type == TlvType.AZURE and value.isdigit():
        return b"\x01" + int(value).to_bytes(4, "little")
    if type == TlvType.GCP and value.isdigit():
        return int(value).to_bytes(8)
    if type == TlvType.AWS and not value.startswith("hex:"):
        return b"\x01" + value.encode()
    return CUSTOM_VALUE.read(value)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "source": _host,
    "destination": _host,
    "port": _port,
    **dict.fromkeys(_TEXTS, _text),
    "tls-version": _tls_version,
    "client-fingerprint": _fingerprint,
    **dict.fromkeys(_CLAIMS, _claim),
}
"""What reads the facts about the client itself."""

_NO_TLS: dict[str, Any] = {key.replace("-", "_"): () if key in _LISTS else None for key in _OF_TLS}
"""The facts of a client without TLS."""
