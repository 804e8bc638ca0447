"""TLS connections between a real client and a `TlsServer`, handshake included."""

from __future__ import annotations

import ssl

from mailproxy.tls.facts import TlsFacts
from mailproxy.tls.failed_handshake import HandshakeError
from mailproxy.tls.server import TlsServer
from mailproxy.transport.poller import Poller
from mailproxy.transport.secure_server import SecureServerStream
from tests.tls.servers import NAME
from tests.transport.peers import TlsPeer, client_context
from tests.transport.relay import raw, unix_pair


class Connection:
    """A client and our side, after their handshake."""

    def __init__(
        self,
        server: TlsServer,
        context: ssl.SSLContext | None = None,
        server_name: str | None = NAME,
        session: ssl.SSLSession | None = None,
        client: type[TlsPeer] = TlsPeer,
    ) -> None:
        ours, theirs = unix_pair()
        self.poller = Poller()
        self.server = server
        self.stream = SecureServerStream(raw(ours), self.poller, Owner(), server)
        self.client = client(theirs, context or client_context(), server_name, session)
        self.error: HandshakeError | None = None
        self._shake_hands()

    def _shake_hands(self) -> None:
        for _ in range(10):
            try:
                waits = self.stream.handshake()
            except HandshakeError as error:
                self.error = error
                waits = 0
            self.client.pull()
            if not waits:
                return
        raise AssertionError("the handshake has no end")

    @property
    def facts(self) -> TlsFacts:
        assert self.error is None, self.error
        return self.server.facts(self.stream.ssl)

    @property
    def served(self) -> bytes | None:
        """The certificate that the client got."""
        return self.client.tls.getpeercert(binary_form=True)

    def close(self) -> None:
        self.stream.close()
        self.client.socket.close()
        self.poller.close()


class Owner:
    """An owner of a stream that ignores all events."""

    def stream_ended(self, stream: object) -> None: ...

    def stream_failed(self, stream: object, reason: str) -> None: ...

    def relay_over(self) -> None: ...

    def broke(self) -> None: ...


class Connect:
    """Makes connections, and closes them after the test."""

    def __init__(self) -> None:
        self._made: list[Connection] = []

    def __call__(
        self,
        server: TlsServer,
        context: ssl.SSLContext | None = None,
        server_name: str | None = NAME,
        session: ssl.SSLSession | None = None,
        client: type[TlsPeer] = TlsPeer,
    ) -> Connection:
        connection = Connection(server, context, server_name, session, client)
        self._made.append(connection)
        return connection

    def close(self) -> None:
        for connection in self._made:
            connection.close()
