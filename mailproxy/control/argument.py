"""The kinds of arguments that commands take, and how each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from attrs import frozen

from mailproxy.bans.ban import ORIGINS, Key, is_origin, key_of
from mailproxy.bans.bans import LONGEST_SECONDS
from mailproxy.config.duration import seconds, written
from mailproxy.config.kind import WrongValue
from mailproxy.config.senders import what_instead
from mailproxy.config.words import listed, nearest, quoted
from mailproxy.networks.width import is_too_wide, width_problem


@frozen
class Argument:
    """One kind of argument: what it needs, in words, and a function that reads it and may raise `WrongValue`."""

    needs: str
    read: Callable[[str], Any]
    choices: tuple[str, ...] = ()
    """The words that are allowed; empty if any text is."""
    names: str = ""
    """What it names in a running service: a "frontend", "backend", "server", "session" or "ban"; empty if nothing."""


@frozen
class Weight:
    """A weight that an administrator sets: a number, or a percentage of the configured weight."""

    amount: float
    is_percent: bool

    def of(self, configured: float) -> float:
        """Return the new weight of a server that is configured with this weight; at most 256."""
        return min(configured * self.amount / 100, MAX_WEIGHT) if self.is_percent else self.amount


MAX_WEIGHT = 256
"""The greatest weight, as in HAProxy."""

_MAX_PERCENT = 25_600
"""With this percentage, a configured weight of 1 becomes 256."""


def _weight(text: str) -> Weight:
    is_percent = text.endswith("%")
    digits = text.removesuffix("%")
    most = _MAX_PERCENT if is_percent else MAX_WEIGHT
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= most):
        raise WrongValue(f"is {quoted(text)}, needs {_WEIGHT}")
    return Weight(int(digits), is_percent)


_WEIGHT = f'a whole number from 0 to {MAX_WEIGHT}, or a percentage of the configured weight such as "50%"'


def _server(text: str) -> tuple[str, str]:
    backend, slash, server = text.partition("/")
    if not (backend and slash and server) or "/" in server:
        raise WrongValue(f"is {quoted(text)}, needs {_SERVER}")
    return backend, server


_SERVER = 'a backend and a server such as "dovecot/d1"'


def _client(text: str) -> IPv4Network | IPv6Network | str:
    return text if text == "unix" else _network(text, _CLIENT)


def _network(text: str, needs: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise WrongValue(f"is {quoted(text)}, {what_instead(text, needs)}") from None


def _banned(text: str) -> Key:
    network = _network(text, _BAN)
    if "%" in text:
        raise WrongValue(f"is {quoted(text)}, needs {_BAN}")
    return key_of(network)


def _ban(text: str) -> Key:
    first, bits = key = _banned(text)
    if is_too_wide(first, bits):
        raise WrongValue(
            f"is {quoted(text)}, {width_problem(len(first))}; ban smaller ones, or `drain frontend` to accept no "
            "clients at all"
        )
    return key


_BAN = 'an address or a network such as "192.0.2.7" or "192.0.2.0/24"'


def _time(text: str) -> float | None:
    if text == FOREVER:
        return None
    try:
        found = seconds(text)
    except WrongValue as error:
        words = str(error)
        raise WrongValue(f"{words.removesuffix('?')}, or {quoted(FOREVER)}{'?' * words.endswith('?')}") from None
    if not 0 < found <= LONGEST_SECONDS:
        raise WrongValue(f'is {quoted(text)}, needs at least "1ms" and at most {quoted(written(LONGEST_SECONDS))}')
    return found


FOREVER = "forever"
"""The time of a ban without an end."""


_CLIENT = 'an address or a network such as "192.0.2.7" or "192.0.2.0/24", or "unix"'


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MAX_ROWS):
        raise WrongValue(f"is {quoted(text)}, needs {_LIMIT}")
    return int(text)


MAX_ROWS = 1000
"""The most rows that an administrator can ask for where rows are sorted: all of them are in memory at once."""

_LIMIT = f"a whole number from 1 to {MAX_ROWS}"


def _one_of(*choices: str) -> Argument:
    needs = f"one of {listed(choices)}"

    def read(text: str) -> str:
        if text in choices:
            return text
        meant = nearest(text, choices)
        hint = "" if meant is None else f"; did you mean {quoted(meant)}?"
        raise WrongValue(f"is {quoted(text)}, needs {needs}{hint}")

    return Argument(needs, read, choices)


def _origin(text: str) -> str:
    if is_origin(text) is None:
        raise WrongValue(f"is {quoted(text)}, needs {_ORIGIN}")
    return text


_ORIGIN = f'{listed(ORIGINS)}, or the name of a program such as "fail2ban": small letters, digits, - and _, 32 at most'


def _any(needs: str, names: str = "") -> Argument:
    return Argument(needs, lambda text: text, names=names)


_DURATION = 'a duration such as "30s", "30m" or "2h"'

STAGES = ("arrival", "tarpit", "conversation", "handshake", "waiting", "refusal", "relay", "parting")
"""The stages of a session, by the names of their classes in `mailproxy.session`."""

ARGUMENTS: Mapping[str, Argument] = {
    "server": Argument(_SERVER, _server, names="server"),
    "state": _one_of("ready", "drain", "maint"),
    "weight": Argument(_WEIGHT, _weight),
    "session": _any("the id of a session, as `show sessions` and the log have it", "session"),
    "events": _one_of("all", "sessions", "servers", "service"),
    "client": Argument(_CLIENT, _client),
    "frontend": _any("the name of a frontend", "frontend"),
    "backend": _any("the name of a backend", "backend"),
    "sni": _any("the server name that a client asked for"),
    "cn": _any("a common name in a client's certificate"),
    "network": Argument(_BAN, _ban),
    "banned": Argument(_BAN, _banned, names="ban"),
    "time": Argument(f"{_DURATION}, or {quoted(FOREVER)}", _time, (FOREVER,)),
    "reason": _any("the reason, in words"),
    "origin": Argument(_ORIGIN, _origin, ORIGINS),
    "search": _any("a part of a client's address, or of a server name, common name, server or id"),
    "stage": _one_of(*STAGES),
    "spread": Argument(_DURATION, seconds),
    "delay": Argument(_DURATION, seconds),
    "timeout": Argument(_DURATION, seconds),
    "kick": _one_of("yes"),
    "by": _one_of("connections", "rate", "failures", "logins"),
    "limit": Argument(_LIMIT, _limit),
    "older-than": Argument(_DURATION, seconds),
    "idle-for": Argument(_DURATION, seconds),
}
"""By the name of the argument in the command's usage and in a request."""
