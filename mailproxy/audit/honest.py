"""The dialogue with an honest client, to which the attacks are compared."""

from attrs import frozen

from mailproxy.audit.client import CannotCheck, Connection, NoAnswer
from mailproxy.audit.dialect import Offer
from mailproxy.audit.reply import Kind, Reply
from mailproxy.audit.server import Server, reply_text


@frozen
class Honest:
    """One dialogue without an attack: greeting, capabilities, STARTTLS, capabilities, farewell."""

    greeting: Reply
    before: Reply
    """The capabilities before TLS."""

    starttls: Reply
    unasked: tuple[bytes, ...] = ()
    """The lines that came unasked after the handshake."""

    after: tuple[bytes, ...] = ()
    """All lines inside TLS, in answer to the capabilities command and the farewell."""

    is_secured: bool = False

    def offer_before(self, server: Server) -> Offer:
        """What is offered in plaintext."""
        return server.dialect.offer(self.before.lines)

    def offer_after(self, server: Server) -> Offer:
        """What is offered inside TLS."""
        return server.dialect.offer((*self.unasked, *self.after))

    def answers(self, server: Server) -> int:
        """The number of answers inside TLS."""
        return len(server.dialect.statuses((*self.unasked, *self.after)))


def observe(server: Server) -> Honest:
    """Run this dialogue; raise CannotCheck if there is none, or if the handshake fails."""
    dialect = server.dialect
    try:
        with Connection(server.target) as connection:
            greeting = connection.reply(dialect.greeting)
            if dialect.kind(greeting) is not Kind.YES:
                raise CannotCheck(f"no greeting: {reply_text(greeting)}")
            before = connection.ask(dialect.capabilities)
            starttls = connection.ask(dialect.starttls)
            if dialect.kind(starttls) is not Kind.YES:
                return Honest(greeting, before, starttls)
            handshake = connection.handshake()
            if handshake.plaintext:
                return Honest(greeting, before, starttls)
            if not handshake.is_up:
                raise CannotCheck(f"the TLS handshake fails: {handshake.problem}")
            unasked = server.listing(connection)
            listed = connection.ask(dialect.capabilities).lines
            rest = server.leave(connection).lines
            return Honest(greeting, before, starttls, unasked, (*listed, *rest), is_secured=True)
    except NoAnswer as error:
        raise CannotCheck(str(error)) from None
