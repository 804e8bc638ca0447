"""
What is announced before TLS: what the backend offers, less what would not be done yet.

Capabilities are kept as the backend listed them, one bytes each without its line end: ``AUTH=PLAIN`` of an IMAP
CAPABILITY response, ``SASL PLAIN LOGIN`` of POP3's CAPA, ``SIZE 1000000`` of an EHLO or LHLO reply, ``"SIEVE"
"fileinto"`` of a ManageSieve listing. Nothing in here is trusted to be what the protocol allows.
"""

import re

from attrs import frozen


@frozen
class Offer:
    """What one protocol announces; names are in upper case."""

    syntax: re.Pattern[bytes]
    """A capability, with its name as group ``name``; what does not match is left out, not repaired."""

    builtin: tuple[bytes, ...]
    """What is announced until something was learned: what every server of this protocol has."""

    mandatory: tuple[tuple[frozenset[bytes], bytes], ...]
    """What is announced unless something of such a name is there already."""

    private: frozenset[bytes]
    """Names that are never passed on: STARTTLS, which is ours to offer, and what is between servers."""

    refused: frozenset[bytes]
    """Names that are left out where TLS is required: ways to log in, and whatever else would be refused."""

    starttls: tuple[bytes, ...]
    """How STARTTLS is announced."""

    refusal: tuple[bytes, ...]
    """What says, where TLS is required, that there is no login before it."""

    def name(self, capability: bytes) -> bytes | None:
        """Return the name of a capability in upper case; None if it is none by the protocol's syntax."""
        match = self.syntax.fullmatch(capability)
        return match["name"].upper() if match else None

    def announced(self, learned: tuple[bytes, ...] | None, *, optional: bool) -> tuple[bytes, ...]:
        """Return what to announce before TLS; `learned` is None until something was."""
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
        """Tell whether a backend's own listing has STARTTLS, which it should not when it was told of TLS."""
        return any(self.name(capability) in (b"STARTTLS", b"STLS") for capability in learned)
