"""The sessions of TLS that we take up again as a client, one for each server."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

# Some KiB each; only with the clients' server names there are more than one for a server's address.
MOST = 256


class Sessions:
    """The last session of each server, up to a number of them: the oldest goes first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: dict[Hashable, Any] = {}

    def get(self, server: Hashable) -> Any:
        """Return the session to take up; None if there is none."""
        return self._kept.get(server)

    def keep(self, server: Hashable, session: Any) -> None:
        """Keep a session in place of the one before."""
        kept = self._kept
        kept.pop(server, None)
        if len(kept) >= self._most:
            del kept[next(iter(kept))]
        kept[server] = session
