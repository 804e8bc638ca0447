"""
Contexts that are made before a process forks, for their ticket keys.

OpenSSL makes ticket keys together with a context, and the binding cannot read or set them. Forked processes have the
same contexts, so a client resumes a session in any of them. A new or changed profile takes the next context: all
processes take the one with the same number.
"""

from __future__ import annotations

from OpenSSL import SSL

CONTEXTS = 512
"""
How many there are: 10 MiB, which all processes have together, made in a tenth of a second. Each profile takes one, and
one more each day, and whenever its settings change, other than its certificates.
"""


class Stock:
    """Contexts without certificates or settings, by number."""

    def __init__(self, contexts: int = CONTEXTS) -> None:
        self._contexts = [SSL.Context(SSL.TLS_SERVER_METHOD) for _ in range(contexts)]
        self._taken = 0

    def take(self) -> int | None:
        """Return the number of an unused context; None if none is left."""
        if self._taken == len(self._contexts):
            return None
        self._taken += 1
        return self._taken - 1

    @property
    def left(self) -> int:
        """The number of unused contexts."""
        return len(self._contexts) - self._taken

    def context(self, number: int) -> SSL.Context:
        """Return a context by its number."""
        return self._contexts[number]
