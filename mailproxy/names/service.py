"""The servers of one service, from its SRV records (RFC 2782) and the addresses of their targets."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from mailproxy.config.model import ResolvePrefer
from mailproxy.names.host import Host, MakeWatch
from mailproxy.names.message import MAX_RECORDS
from mailproxy.names.question import Question, Target
from mailproxy.names.record import Record, without_duplicates
from mailproxy.names.source import Shared, Source

# The highest weight of a server.
MAX_WEIGHT = 256


class Service(Source):
    """A service, watched."""

    def __init__(self, name: str, watch: MakeWatch, hosts: Shared[str, Host]) -> None:
        super().__init__()
        self._hosts = hosts
        self._joined: dict[str, Host] = {}
        self._watch = watch(Question(name, "SRV"), self._changed)

    def stop(self) -> None:
        """Ask no more."""
        self._watch.stop()
        self._leave(set(self._joined))

    def records(self, prefer: ResolvePrefer) -> tuple[Record, ...] | None:
        """
        Return all addresses of all targets: those with the lowest priority number first, the others as backups.

        () if the service is not available, None while that is unknown: until all targets have been looked up.
        """
        targets = self._watch.values
        if targets is None or not all(host.is_settled(prefer) for host in self._joined.values()):
            return None
        found = {name: host.records(prefer) for name, host in self._joined.items()}
        records = [
            evolve(record, port=target.port, weight=weight, backup=backup)
            for target, weight, backup in ranked(targets)
            for record in found[target.name] or ()
        ]
        if not records and None in found.values():
            return None
        return without_duplicates(records)[:MAX_RECORDS]

    @property
    def denial(self) -> str:
        """The reason if there are no servers."""
        if self._joined:
            return "no target has an address"
        return self._watch.denial or "service not available"

    def _changed(self) -> None:
        wanted = {target.name for target in self._watch.values or ()}
        for name in wanted - set(self._joined):
            self._joined[name] = self._hosts.join(name, self.notify)
        self._leave(set(self._joined) - wanted)
        self.notify()

    def _leave(self, names: set[str]) -> None:
        for name in names:
            del self._joined[name]
            self._hosts.leave(name, self.notify)


def ranked(targets: Sequence[Target]) -> list[tuple[Target, int, bool]]:
    """
    Return targets in the order of their priority numbers, each with a server's weight and whether it is a backup.

    Weights up to 256 are used unchanged, a group with higher ones is scaled down; 0 becomes 1, because a server of
    weight 0 would get no clients, and the RFC means few.
    """
    lowest = min((target.priority for target in targets), default=0)
    highest = {
        backup: max((target.weight for target in targets if (target.priority > lowest) is backup), default=0)
        for backup in (False, True)
    }
    return [
        (target, _weight(target.weight, highest[target.priority > lowest]), target.priority > lowest)
        for target in sorted(targets, key=lambda target: target.priority)
    ]


def _weight(weight: int, highest: int) -> int:
    if highest > MAX_WEIGHT:
        weight = round(weight * MAX_WEIGHT / highest)
    return max(weight, 1)
