"""The functions of the using program that an accepting endpoint calls: its check of headers, its log of refusals."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger

from mailproxy.endpoints.addresses import shown
from mailproxy.proxyprotocol import Header, ProxyProtocolError

_log = Logger(namespace="mailproxy.endpoints.accept")

HeaderCheck = Callable[[Header, IAddress], None]
"""
A check of your own: called with a header and the peer that has sent it, raises `HeaderRefused` to refuse it.

It returns None and is not async. If it returns something else or raises another error, that is logged as a bug, and the
connection is refused.
"""

RefusalHook = Callable[[str, IAddress | None], object]
"""
Called with the reason and the peer of each refused connection.

The peer is None if the transport does not know its address.
"""


def log_refusal(reason: str, peer: IAddress | None) -> None:
    """Log a refusal: the hook of those who give none."""
    _log.info("connection from {peer} refused: {reason}", peer=shown(peer), reason=reason)


def ignore_refusal(reason: str, peer: IAddress | None) -> None:
    """Do nothing: the hook of those who give None."""


def check_hooks(check: object, on_refusal: object) -> None:
    """Raise ValueError for hooks that cannot be called."""
    for name, hook in (("check", check), ("on_refusal", on_refusal)):
        if hook is not None and not callable(hook):
            raise ValueError(f"{name} {hook!r} cannot be called; it is a function or None")


def why_refused(check: Callable[[Header, IAddress], object], header: Header, peer: IAddress) -> str | None:
    """Return why a check refuses a header; None if it accepts it. A bug in the check refuses it as well."""
    try:
        verdict = check(header, peer)
        if verdict is not None:
            # A False was meant to refuse; a coroutine has not checked the header yet.
            raise TypeError(f"check returned {verdict!r}; it must raise HeaderRefused, or return None to accept")
    except ProxyProtocolError as error:
        return str(error)
    except Exception as error:
        _log.failure("check failed with a header from {peer}", peer=shown(peer))
        return f"the check of its header failed with {type(error).__name__}"
    return None
