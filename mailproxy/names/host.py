"""The addresses of one host name: A and AAAA, each with its own times and failures."""

from __future__ import annotations

from collections.abc import Callable

from mailproxy.config.model import ResolvePrefer
from mailproxy.names.question import Question
from mailproxy.names.record import Record, without_duplicates
from mailproxy.names.source import Observer, Source
from mailproxy.names.watch import Watch

MakeWatch = Callable[[Question, Observer], Watch]


class Host(Source):
    """A host name, watched."""

    def __init__(self, name: str, watch: MakeWatch) -> None:
        super().__init__()
        self._watches = {
            "ipv4": watch(Question(name, "A"), self.notify),
            "ipv6": watch(Question(name, "AAAA"), self.notify),
        }

    def stop(self) -> None:
        """Ask no more."""
        for watch in self._watches.values():
            watch.stop()

    def is_settled(self, prefer: ResolvePrefer) -> bool:
        """Whether no pending answer could change the choice of a family."""
        return bool(self._watches[prefer].values) or all(watch.is_settled for watch in self._watches.values())

    def records(self, prefer: ResolvePrefer) -> tuple[Record, ...] | None:
        """
        Return the addresses of the preferred family, or if there are none, those of the other.

        () if the name has none, None while that is unknown.
        """
        if not self.is_settled(prefer):
            return None
        first = self._watches[prefer].values
        second = self._watches["ipv4" if prefer == "ipv6" else "ipv6"].values
        addresses = first or second
        if addresses:
            return without_duplicates(map(Record, addresses))
        return None if first is None or second is None else ()

    @property
    def denial(self) -> str:
        """The reason if there are no addresses."""
        return self._watches["ipv4"].denial
