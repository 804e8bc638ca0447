"""Finds the colons in a string that need a backslash, and the corrected string."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network

from twisted.internet.endpoints import quoteStringArgument

from mailproxy.proxyprotocol import InetAddress


def _networks(text: str) -> object:
    return [ip_network(network.strip()) for network in text.split(",") if network.strip() != "unix"]


_WITH_COLONS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "trusted": (_networks, "fd00::/8"),
    "optional": (_networks, "fd00::/8"),
    "source": (InetAddress.parse, "192.0.2.1:50000"),
    "destination": (InetAddress.parse, "198.51.100.9:143"),
}
"""The options with addresses, each with its parser and an example."""


def missing_backslashes(prefix: str, parts: Sequence[str], options: Mapping[str, str], unknown: Sequence[str]) -> str:
    """
    Return which colons need a backslash, and what to write, for a string with several parts that are not options.

    Twisted splits at every colon without a backslash, and separates parts and options: which option a part belongs to
    only shows when both are joined.
    """
    torn = [name for name in _WITH_COLONS if name in options and not _reads(name, options[name])]
    if len(torn) > 1:
        example = quoteStringArgument(_WITH_COLONS[torn[0]][1])
        return f"the colons of {' or '.join(torn)} need a backslash, as in {torn[0]}={example}"
    own, option = list(parts), ""
    for name in torn:
        for at in range(len(parts) - 1, 0, -1):
            whole = ":".join((options[name], *parts[at:]))
            if _reads(name, whole):
                own, option = list(parts[:at]), f":{name}={quoteStringArgument(whole)}"
    own += [f"{name}={options[name]}" for name in unknown]
    whose = ["the wrapped endpoint"] if len(own) > 1 else []
    whose += [f"the option {name}" for name in torn if option]
    # The first part may have had its backslashes. After it, a colon belongs to a value inside the endpoint.
    right = "\\:".join((quoteStringArgument(own[0]), *(part.replace(":", r"\\\:") for part in own[1:])))
    return f"the colons of {' and of '.join(whose)} need a backslash; write {prefix}:{right}{option}"


def _reads(name: str, text: str) -> bool:
    try:
        _WITH_COLONS[name][0](text)
    except ValueError:
        return False
    return True
