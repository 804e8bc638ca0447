"""
The capabilities before TLS: the backend's, without those that do not work yet.

Capabilities are kept as the backend listed them, one bytes each without its line end: ``AUTH=PLAIN`` of an IMAP
CAPABILITY response, ``SASL PLAIN LOGIN`` of POP3's CAPA, ``SIZE 1000000`` of an EHLO or LHLO reply, ``"SIEVE"
"fileinto"`` of a ManageSieve listing. They are not trusted to follow the protocol.
"""

import re

from attrs import frozen


@frozen
class Offer:
    """How one protocol announces capabilities; names are in upper case."""

    syntax: re.Pattern[bytes]
    """A capability, with its name as group ``name``; others are left out, not repaired."""

    builtin: tuple[bytes, ...]
    """The capabilities before the backend's are known: those of every server of this protocol."""

    mandatory: tuple[tuple[frozenset[bytes], bytes], ...]
    """The capabilities to add unless one with such a name is listed."""

    private: frozenset[bytes]
    """Names that are never passed on: STARTTLS, which mailproxy adds itself, and those for servers only."""

    refused: frozenset[bytes]
    """Names that are left out if TLS is required: logins, and others that would be refused."""

    starttls: tuple[bytes, ...]
    """How STARTTLS is announced."""

    refusal: tuple[bytes, ...]
    """The capabilities that say, if TLS is required, that there is no login before it."""

    def name(self, capability: bytes) -> bytes | None:
        """Return the name of a capability in upper case; None if it does not match the protocol's syntax."""
        match = self.syntax.fullmatch(capability)
        return match["name"].upper() if match else None

    def announced(self, learned: tuple[bytes, ...] | None, *, optional: bool) -> tuple[bytes, ...]:
        """Return the capabilities to announce before TLS; `learned` is None while the backend's are unknown."""
        left_out = self.private if optional else self.private | self.refused
        if learned is None:
            learned = self.builtin
        named = [(self.name(capability), capability) for capability in dict.fromkeys(learned)]
        kept = [(name, capability) for name, capability in named if name is not None and name not in left_out]
        present = {name for name, _ in kept}
        missing = tuple(capability for names, capability in self.mandatory if not names & present)
        refusal = () if optional else self.refusal
        return (*missing, *(capability for _, capability in kept), *self.starttls, *refusal)

    def offers_starttls(self, learned: tuple[bytes, ...]) -> bool:
        """Return whether a backend's own listing has STARTTLS, which it should not have after a header with TLS."""
        return any(self.name(capability) in (b"STARTTLS", b"STLS") for capability in learned)
