"""The demo's report of a client: the socket's facts beside the PROXY header's."""

from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.logger import LogEvent

from mailproxy.demo.visit import Visit
from mailproxy.proxyprotocol import SslTlv
from mailproxy.proxyprotocol.address import host_port

COLUMNS = 100
"""The width of the demo's output."""

_LABEL = 13
_SOCKET = 26


def learnt(visit: Visit) -> str:
    """Show both side by side, one fact a line."""
    socket = {
        "client": _address(visit.peer),
        "came to": _address(visit.host),
        "encryption": "none, plaintext",
        "certificate": "none",
        "server name": "none",
    }
    header = {
        "client": str(visit.header.source or "the proxy itself"),
        "came to": str(visit.header.destination or "-"),
        **_tls(visit.header.ssl),
        "server name": visit.header.authority or "none",
    }
    rows = [("", "the socket says", "the PROXY header says"), *_rows(socket, header)]
    lines = (f"  {label:{_LABEL}}{left:{_SOCKET}}{right}".rstrip() for label, left, right in rows)
    return "\n".join([f"{visit.server}: {visit.what}", *lines])


def log_line(server: str, line: str) -> str:
    """Show a line of the log of a real server such as Dovecot."""
    text = wrap(_printable(line), COLUMNS - 4, break_on_hyphens=False)
    return "\n".join(
        [f"{server} writes into its log", *(f"  {'  ' * (number > 0)}{row}" for number, row in enumerate(text))]
    )


def change(event: LogEvent) -> str | None:
    """Show a log event of a server that goes up or down; of its five protocols IMAP is enough."""
    if event.get("event") != "server" or event.get("protocol") != "imap" or event.get("state") not in ("up", "down"):
        return None
    reason = _printable(event.get("reason") or "no reason given")
    return "\n".join(wrap(f"mailproxy's checks find {event['server']} {event['state']}: {reason}", COLUMNS))


def refused(server: str, reason: str, peer: IAddress | None) -> str:
    """Show that the server called `server` refused a connection for its header, or for the lack of one."""
    who = "somebody" if peer is None else _address(peer)
    return "\n".join(wrap(f"{server} refuses {who}: {_printable(reason)}", COLUMNS))


def _rows(socket: Mapping[str, str], header: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for label, value in header.items():
        first, *more = wrap(_printable(value), COLUMNS - _LABEL - _SOCKET - 2) or [""]
        yield label, socket.get(label, "-"), first
        for rest in more:
            yield "", "", rest


def _address(address: IAddress) -> str:
    inet: Any = address
    return host_port(inet.host, inet.port)


def _tls(ssl: SslTlv | None) -> dict[str, str]:
    if ssl is None or not ssl.version:
        return {"encryption": "none"}
    facts = ", ".join(filter(None, (ssl.version, ssl.cipher, ssl.group)))
    name = ssl.common_name or "without a name"
    return {"encryption": facts, "certificate": f"{name}, verified" if ssl.has_verified_certificate else "none"}


def _printable(text: str) -> str:
    """Escape a client's names, so that they cannot control the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
