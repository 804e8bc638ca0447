"""Reads the ``timeout`` of a frontend and of a backend: their deadlines."""

from attrs import field, frozen

from mailproxy.config.duration import IDLE, WAIT
from mailproxy.config.key import about, read_keys
from mailproxy.config.table import Table


@frozen(kw_only=True)
class FrontendTimeouts:
    """The deadlines of a frontend, in seconds."""

    proxy_header: float = field(
        default=5.0,
        metadata=about(
            WAIT,
            "For a whole PROXY header, if one is expected. The specification requires at least 3 s, the time to "
            "resend a lost packet.",
            haproxy="timeout client-hs",
        ),
    )
    proxy_header_optional: float = field(
        default=0.5,
        metadata=about(
            WAIT,
            "For the first byte of a header in `accept-proxy-optional`; a client that is silent for longer has "
            "none, and a later header is refused. If the server speaks first, every client without a header waits "
            "this long for the greeting. A proxy sends its header at once; half a second allows for a long way or a "
            "lost packet, and clients without TLS, or before STARTTLS, hardly notice it.",
        ),
    )
    handshake: float = field(
        default=10.0,
        metadata=about(
            WAIT,
            "For the TLS handshake. Far more than a phone on a bad network needs, and short enough that stalled "
            "scanners do not accumulate.",
            haproxy="timeout client-hs",
        ),
    )
    login: float = field(
        default=60.0,
        metadata=about(
            WAIT,
            "With STARTTLS: from the greeting until TLS begins. A mail client needs a second; a person at a "
            "terminal needs up to a minute.",
        ),
    )
    client: float = field(
        default=35 * 60.0,
        metadata=about(
            IDLE,
            "Without a byte from the client. IMAP clients in IDLE are silent for 29 minutes (RFC 2177), and servers "
            "close after 30 (RFC 9051, 5.4): a minute, as for web traffic, would interrupt IDLE again and again.",
            haproxy="timeout client",
        ),
    )
    server: float = field(
        default=35 * 60.0,
        metadata=about(
            IDLE,
            "Without a byte from the server. The server of an idle client is silent as well.",
            haproxy="timeout server",
        ),
    )
    client_fin: float = field(
        default=60.0,
        metadata=about(
            IDLE,
            "As `client`, after the client has closed its side: the server's remaining bytes should not take long.",
            haproxy="timeout client-fin",
        ),
    )
    server_fin: float = field(
        default=60.0,
        metadata=about(
            IDLE,
            "As `server`, after the server has closed its side.",
            haproxy="timeout server-fin",
        ),
    )
    close: float = field(
        default=5.0,
        metadata=about(
            WAIT,
            "For a polite close (close_notify, FIN) before the connection is reset.",
        ),
    )


@frozen(kw_only=True)
class BackendTimeouts:
    """The deadlines of a backend, in seconds."""

    connect: float = field(
        default=5.0,
        metadata=about(
            WAIT,
            "For each attempt: to connect and, where the server speaks first, until its greeting. Long enough for "
            "two lost packets, and for Postfix's postscreen, which waits for 6 seconds; with `retries` it bounds "
            "how long a client waits for an error.",
            default='`"5s"`; with `profile = "postfix"` `"10s"`',
            haproxy="timeout connect",
        ),
    )
    queue: float | None = field(
        default=None,
        metadata=about(
            WAIT,
            "The wait for a free place, if servers have `maxconn`. Mail clients give up after about a minute; an "
            "earlier error makes them try again.",
            default="as `connect`",
            haproxy="timeout queue",
        ),
    )
    """The longest wait for a place at a server that has `maxconn`; None: as `connect`."""

    @property
    def queue_seconds(self) -> float:
        """How long a client waits for a place."""
        return self.connect if self.queue is None else self.queue


def read_frontend_timeouts(table: Table) -> FrontendTimeouts:
    """Read ``[frontend.NAME.timeout]``."""
    return read_keys(table, FrontendTimeouts())


def read_backend_timeouts(connect: float, table: Table) -> BackendTimeouts:
    """Read ``[backend.NAME.timeout]``; `connect` is the time for an attempt, unless the table has one."""
    return read_keys(table, BackendTimeouts(connect=connect))
