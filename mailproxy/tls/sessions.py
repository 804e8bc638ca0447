"""TLS sessions that we resume as a client, one for each server."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

# A few KiB each. An address has several only if the clients' server names are sent to it.
MAX_SESSIONS = 256


class Sessions:
    """The last session of each server; beyond `most`, the oldest is dropped."""

    def __init__(self, most: int = MAX_SESSIONS) -> None:
        self._most = most
        self._kept: dict[Hashable, Any] = {}

    def get(self, server: Hashable) -> Any:
        """Return the session to resume, or None."""
        return self._kept.get(server)

    def keep(self, server: Hashable, session: Any) -> None:
        """Replace the session of a server."""
        kept = self._kept
        kept.pop(server, None)
        if len(kept) >= self._most:
            del kept[next(iter(kept))]
        kept[server] = session
