"""The server under test: its address, its protocol, and the first steps of every dialogue with it."""

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from mailproxy.audit.client import Connection, NoAnswer
from mailproxy.audit.dialect import Dialect
from mailproxy.audit.reply import End, Kind, Reply
from mailproxy.audit.result import shown
from mailproxy.audit.target import Target


def reply_text(reply: Reply) -> str:
    """Return a reply in one line."""
    if reply.lines:
        return shown(reply.last)
    return "(closed)" if reply.end is End.CLOSED else "(silence)"


@frozen
class Server:
    """A server and its protocol. Its connections come one after the other."""

    target: Target
    dialect: Dialect

    @contextmanager
    def greeted(self) -> Iterator[Connection]:
        """Connect, and do the steps before STARTTLS: the greeting and, in SMTP and LMTP, EHLO."""
        with Connection(self.target) as connection:
            greeting = connection.reply(self.dialect.greeting)
            if self.dialect.kind(greeting) is not Kind.YES:
                raise NoAnswer(f"no greeting: {reply_text(greeting)}")
            self.introduce(connection)
            yield connection

    def introduce(self, connection: Connection) -> None:
        """Send EHLO or LHLO, in protocols that have it."""
        if self.dialect.introduces_itself:
            reply = connection.ask(self.dialect.capabilities)
            if self.dialect.kind(reply) in (Kind.CLOSED, Kind.SILENT):
                raise NoAnswer(f"no answer to {shown(self.dialect.capabilities.line)}: {reply_text(reply)}")

    @contextmanager
    def secured(self) -> Iterator[Connection]:
        """As `greeted`, and then STARTTLS, the handshake and the server's unasked listing."""
        with self.greeted() as connection:
            self.secure(connection)
            yield connection

    def secure(self, connection: Connection) -> tuple[bytes, ...]:
        """Do STARTTLS and the handshake; return the server's unasked listing."""
        reply = connection.ask(self.dialect.starttls)
        if self.dialect.kind(reply) is not Kind.YES:
            raise NoAnswer(f"STARTTLS refused: {reply_text(reply)}")
        handshake = connection.handshake()
        if not handshake.is_up:
            raise NoAnswer(f"no TLS: {handshake.problem or shown(handshake.plaintext)}")
        return self.listing(connection)

    def listing(self, connection: Connection) -> tuple[bytes, ...]:
        """Read the listing that must come unasked after the handshake, in ManageSieve."""
        return connection.reply(self.dialect.greeting).lines if self.dialect.lists_after_tls else ()

    def aftermath(self, connection: Connection) -> tuple[bytes, ...]:
        """
        Wait inside TLS, ask for the capabilities, say goodbye, and return all of the server's bytes.

        The wait comes first: a server that has closed answers a command with RST, which can overtake its last bytes.
        """
        unasked = connection.listen().lines
        listed = connection.ask(self.dialect.capabilities).lines
        return (*unasked, *listed, *self.leave(connection).lines)

    def leave(self, connection: Connection) -> Reply:
        """Say goodbye, and return all of the server's bytes until it closes."""
        connection.send(self.dialect.farewell.wire)
        return connection.rest()
