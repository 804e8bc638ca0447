"""A protocol for the cases: its commands and replies."""

import re
from collections.abc import Callable, Iterable

from attrs import frozen

from mailproxy.audit.reply import Command, End, Kind, Reply


@frozen
class Offer:
    """The contents of a capability listing."""

    starttls: bool
    logins: frozenset[str]
    """SASL mechanisms in capitals, and `"LOGIN"`, `"USER"` for the commands."""

    words: frozenset[bytes]
    """All listed words, in capitals."""


@frozen
class Login:
    """One kind of login, with false credentials."""

    name: str
    command: Command


@frozen
class SplitCommand:
    """A command in two pieces: the second alone must be an error, both together must not."""

    first: bytes
    second: Command


@frozen
class Literal:
    """A refused command with a command inside its literal, and the sign that the latter was executed."""

    wire: bytes
    executed: re.Pattern[bytes]


@frozen
class Membership:
    """A login without TLS, and a command that shows afterwards whether the session is logged in."""

    login: tuple[Command, ...]
    asked: Command
    means_yes: re.Pattern[bytes]


@frozen
class Transaction:
    """The beginning of a delivery."""

    mail: Command
    recipient: Command


@frozen
class Dialect:
    """One protocol, as far as STARTTLS concerns it."""

    greeting: re.Pattern[bytes]
    """Matches the line that ends the greeting."""

    capabilities: Command
    starttls: Command
    injected: Command
    """Harmless, and succeeds before a login."""

    farewell: Command
    half: SplitCommand
    logins: tuple[Login, ...]
    membership: Membership
    offer: Callable[[Iterable[bytes]], Offer]
    yes: re.Pattern[bytes]
    prompt: re.Pattern[bytes]
    status: re.Pattern[bytes]
    """Matches the lines that answer a command, greetings included; each command has one."""

    looked_at: re.Pattern[bytes]
    """Matches a refusal whose code says that the credentials themselves were wrong."""

    introduces_itself: bool = False
    """Whether a client asks for the capabilities first of all (EHLO)."""

    lists_after_tls: bool = False
    """Whether the capabilities come unasked after the handshake."""

    preauth: re.Pattern[bytes] | None = None
    """Matches a greeting that says the client is logged in already."""

    challenge: re.Pattern[bytes] | None = None
    """Finds the timestamp for APOP in a greeting."""

    refuses_arguments: re.Pattern[bytes] | None = None
    """Matches the reply that the standard requires for STARTTLS with an argument."""

    literal: Literal | None = None
    transaction: Transaction | None = None

    def kind(self, reply: Reply) -> Kind:
        """Classify a reply; an incomplete one counts by its last line, if that is a status."""
        if reply.end is not End.COMPLETE and not self.status.match(reply.last):
            return Kind.CLOSED if reply.end is End.CLOSED else Kind.SILENT
        if self.prompt.match(reply.last):
            return Kind.PROMPT
        return Kind.YES if self.yes.match(reply.last) else Kind.NO

    def statuses(self, lines: Iterable[bytes]) -> tuple[bytes, ...]:
        """Return those of the lines that answer a command."""
        return tuple(line for line in lines if self.status.match(line))
