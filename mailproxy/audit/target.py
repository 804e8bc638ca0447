"""The server to check, and the timeouts."""

import socket
import ssl

from attrs import field, frozen


def client_context(ca: str | None = None) -> ssl.SSLContext:
    """
    Return a TLS client's settings: the certificate is verified against the PEM file `ca`, or not at all.

    Without verification is right for a check of the dialogue. Raises OSError (ssl.SSLError is one) if the file cannot
    be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cafile=ca)
    return context


@frozen
class Target:
    """The server's address, with all times in seconds."""

    host: str
    port: int
    server_name: str = field()
    """For SNI, and for the certificate if that is verified."""

    timeout: float = 5.0
    """The longest wait for a reply, and for the connection."""

    quiet: float = 1.0
    """The wait for unexpected bytes."""

    source: str | None = None
    """The local address to connect from. Some servers trust their own."""

    context: ssl.SSLContext = field(factory=client_context)

    @server_name.default
    def _host(self) -> str:
        return self.host

    def __str__(self) -> str:
        # As `host_port` of proxyprotocol writes it, which this package does not import.
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def connect(self) -> socket.socket:
        """Open a connection; raise OSError if that fails."""
        source = None if self.source is None else (self.source, 0)
        connection = socket.create_connection((self.host, self.port), self.timeout, source)
        # One send is one segment, which some cases need.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return connection
