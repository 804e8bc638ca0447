"""
Who may ask, and for what.

A browser sends requests to this machine for any page that is open in it. Three checks tell these from the requests of
our own page. ``Host`` has to be an address or a known name: a page of an attacker whose name was pointed at this
machine (DNS rebinding) has the attacker's. ``Origin`` and ``Sec-Fetch-Site``, which no page can set, have to be our
own. And a change needs the token, in a header that no page of another origin may set.
"""

from __future__ import annotations

import binascii
import hmac
import re
import socket
from base64 import b64decode
from collections.abc import Iterable
from ipaddress import ip_address

from attrs import field, frozen

from mailproxy.config import Admin
from mailproxy.config.words import listed, quoted
from mailproxy.web.reply import Refused
from mailproxy.web.request import Request

PAGES = frozenset({"/", "/stats"})
"""What a link of another site's page may lead to; its frames may not have it."""

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::[0-9]{1,5})?")

# Chromium sees only the first of several challenges in one field.
_ASKS = {"WWW-Authenticate": ('Basic realm="mailproxy"', 'Bearer realm="mailproxy"')}
_ASKS_FOR_CHANGES = {"WWW-Authenticate": 'Bearer realm="mailproxy"'}


def own_names(admin: Admin, certificates: Iterable[str] = ()) -> frozenset[str]:
    """Return the names by which clients may ask, in lower case; those in `certificates` may be wildcards."""
    machine = socket.gethostname().lower()
    names = {"localhost", machine, machine.partition(".")[0], *admin.http_names, *map(str.lower, certificates)}
    return frozenset(names)


@frozen
class Access:
    """The rules of one configuration."""

    names: frozenset[str]
    token: str | None = field(default=None, repr=False)
    needs_token: bool = False
    """Whether every request needs the token."""

    def check(self, request: Request) -> None:
        """Check a request; raise `Refused`."""
        host = self._check_host(request)
        self._check_fetch(request)
        if self.needs_token and not (self._has_bearer(request) or self._has_basic(request)):
            raise Refused(401, _reason(request, "bearer", "basic"), _ASKS)
        if request.verb == "POST":
            self._check_change(request, host)

    def check_token(self, request: Request) -> None:
        """Check the token of a request for something that not everybody may see or do; raise `Refused`."""
        if self.token is None:
            raise Refused(403, "this needs a token, and there is none: write http-token-file = PATH in [admin]")
        if not self._has_bearer(request):
            raise Refused(401, _reason(request, "bearer"), _ASKS_FOR_CHANGES)

    def _check_host(self, request: Request) -> str:
        hosts = request.headers("Host")
        if len(hosts) != 1:
            raise Refused(400, f"a request has one Host header, this one has {len(hosts)}")
        match = _HOST.fullmatch(hosts[0])
        if match is None:
            raise Refused(400, f"the Host header is {quoted(hosts[0])}, needs a name or an address, and perhaps a port")
        name = match["host"].lower().removesuffix(".")
        if not (_is_address(name) or name in self.names or f"*.{name.partition('.')[2]}" in self.names):
            raise Refused(421, f"{quoted(name)} is not a name of this service; http-names in [admin] has such names")
        return hosts[0]

    def _check_fetch(self, request: Request) -> None:
        site = request.header("Sec-Fetch-Site")
        if site not in ("cross-site", "same-site"):
            return
        if request.header("Sec-Fetch-Mode") != "navigate":
            raise Refused(403, "this is a request of another site's page")
        if request.where not in PAGES:
            raise Refused(403, f"this is a link of another site's page; such links may lead to {listed(sorted(PAGES))}")

    def _check_change(self, request: Request, host: str) -> None:
        origin = request.header("Origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            raise Refused(403, f"this is a request of a page of {quoted(origin)}, and this service is {quoted(host)}")
        if request.header("Sec-Fetch-Site") not in (None, "same-origin"):
            raise Refused(403, "this is not a request of this service's own page")
        self.check_token(request)
        type = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
        if request.body and type != "application/json":
            raise Refused(415, "the body has to be JSON: send Content-Type: application/json")

    def _has_bearer(self, request: Request) -> bool:
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        return scheme.lower() == "bearer" and self._is_token(given.strip())

    def _has_basic(self, request: Request) -> bool:
        """Return whether the password of HTTP Basic is the token; browsers send it by themselves, so only to look."""
        scheme, _, given = (request.header("Authorization") or "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user_and_password = b64decode(given.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return False
        return self._is_token(user_and_password.partition(":")[2])

    def _is_token(self, given: str) -> bool:
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())


def _reason(request: Request, *schemes: str) -> str:
    """Return why a request without the right token is refused, where tokens may come in these schemes."""
    scheme, _, given = (request.header("Authorization") or "").partition(" ")
    if given.strip() and scheme.lower() in schemes:
        return "this token is wrong"
    return "this needs the token: send Authorization: Bearer TOKEN"


def _is_address(name: str) -> bool:
    """Return whether a host is an address: no page of an attacker can have it for its name."""
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
