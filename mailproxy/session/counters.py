"""The counters of a frontend."""

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


def counted(count: int, words: str) -> str:
    """Return a count with its noun, which is given in the plural."""
    return f"{count} {words.removesuffix('s') if count == 1 else words}"
