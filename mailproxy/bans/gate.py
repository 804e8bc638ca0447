"""The gate of banned clients in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mailproxy.bans.ban import Ban, Key
from mailproxy.bans.bans import BanChange
from mailproxy.bans.request import BanRequest
from mailproxy.bans.sweep import MAX_AT_ONCE
from mailproxy.bans.table import BanTable
from mailproxy.networks.network_list import NetworkList
from mailproxy.networks.network_set import EMPTY, NetworkSet
from mailproxy.session.gate import Rejection


class BanGate:
    """
    The bans that are in effect, in one process (mutable).

    It outlasts readings of the configuration. It is a gate, and what rules know of bans.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.table = BanTable()
        self.lists: Sequence[NetworkList] = ()
        """Files of banned networks."""
        self.exempt: NetworkSet = EMPTY
        """Networks whose clients are never refused for a ban."""
        self.ask: Callable[[BanRequest], object] = _ban_nobody
        """Carries a request out, or sends it to the main process."""
        self.monotonic = monotonic

    @property
    def is_idle(self) -> bool:
        """True while nobody is banned, so that no client needs a look-up."""
        return not (self.table.bans or self.lists)

    def judge(self, source: bytes) -> Rejection | None:
        """Return why a client with this address is refused, or None."""
        ban = self.table.find(source, self.monotonic()) if self.table.bans else None
        if ban is not None:
            return None if source in self.exempt else Rejection("banned", _words(ban))
        for one in self.lists:
            if source in one.networks:
                return None if source in self.exempt else Rejection("banned", f"banned by the list {one.path}")
        return None

    def lists_with(self, key: Key) -> Sequence[str]:
        """Return the paths of the lists that have addresses of a network."""
        return [one.path for one in self.lists if one.networks.meets(*key)]

    def banned(self, address: bytes) -> bool:
        """Return whether an address is banned now."""
        return self.judge(address) is not None

    def ban(self, address: bytes, seconds: float, reason: str, bits: int | None = None) -> None:
        """Ban an address, or its network, for a time, in all processes, as a rule says; not an exempt address."""
        if address not in self.exempt:
            self.ask(BanRequest(address, seconds, reason, bits))

    def change(self, change: BanChange) -> None:
        """Take over what has changed in the main process."""
        for ban in change.banned:
            self.table.put(ban)
        for key in change.unbanned:
            self.table.remove(key)
        # Ends are in no change. More are removed than one change adds, so the table does not grow with ended bans.
        self.table.expire(self.monotonic(), MAX_AT_ONCE)


def _words(ban: Ban) -> str:
    return f"banned by {ban.origin}: {ban.reason}" if ban.reason else f"banned by {ban.origin}"


def _ban_nobody(request: BanRequest) -> None:
    """Ban nobody: the process has no service yet."""
