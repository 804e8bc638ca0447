"""A tiny SMTP server that takes every message: Dovecot's submission service connects to it after a login."""

import socket

from tests.interop.server import ThreadedServer


class Relay:
    """The server, and the messages it was given."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._server = ThreadedServer(self._serve)
        self.port = self._server.port

    def close(self) -> None:
        """End the server and all connections."""
        self._server.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.sendall(b"220 relay.test ESMTP\r\n")
        with connection.makefile("rb") as lines:
            for line in lines:
                verb = line.split()[0].upper() if line.strip() else b""
                if verb == b"EHLO":
                    connection.sendall(b"250-relay.test\r\n250 8BITMIME\r\n")
                elif verb == b"DATA":
                    connection.sendall(b"354 go ahead\r\n")
                    self.messages.append(b"".join(iter(lines.readline, b".\r\n")))
                    connection.sendall(b"250 2.0.0 taken\r\n")
                elif verb == b"QUIT":
                    connection.sendall(b"221 2.0.0 bye\r\n")
                    return
                else:
                    connection.sendall(b"250 2.0.0 fine\r\n")
