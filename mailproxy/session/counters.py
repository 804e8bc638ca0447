"""The counters of a frontend."""

from collections.abc import Mapping

from attrs import asdict, frozen


@frozen
class Counters:
    """The counters of a frontend since the start, at one moment."""

    connections: int = 0
    headers: int = 0
    header_errors: int = 0
    handshake_errors: int = 0
    no_server: int = 0
    refused: int = 0
    sessions: int = 0
    injections: int = 0
    rejected: int = 0
    ruled_out: int = 0

    def __str__(self) -> str:
        """Write the counters that are not 0, in words."""
        counts = ((name.replace("_", " "), count) for name, count in asdict(self).items())
        return ", ".join(counted(count, words) for words, count in counts if count) or "no connections"


@frozen
class Unserved:
    """What a counter of clients that are not served means, for all that shows it."""

    words: str
    """They follow the count."""
    is_refusal: bool = False
    """True if a server, a limit, a ban or a rule refuses the client; False if something fails."""


UNSERVED: Mapping[str, Unserved] = {
    "header_errors": Unserved("bad PROXY headers"),
    "handshake_errors": Unserved("failed handshakes"),
    "no_server": Unserved("without server"),
    "injections": Unserved("injections before TLS"),
    "refused": Unserved("refused by servers", is_refusal=True),
    "rejected": Unserved("over limits or banned", is_refusal=True),
    "ruled_out": Unserved("refused by rules", is_refusal=True),
}
"""The counters of clients that are not served, in the order in which they are shown; the other ones are served."""

ERRORS = tuple(name for name, one in UNSERVED.items() if not one.is_refusal)
"""Counters of clients that are lost by an error."""

REFUSALS = tuple(name for name, one in UNSERVED.items() if one.is_refusal)
"""Counters of clients that a server, a limit, a ban or a rule refuses."""


def counted(count: int, words: str) -> str:
    """Return a count with its noun, which is given in the plural."""
    return f"{count} {words.removesuffix('s') if count == 1 else words}"
