"""What a name comes to for those who prefer one family: the changes, and their log line."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.logger import Logger, LogLevel

from mailproxy.config.model import ResolvePrefer
from mailproxy.names.host import Host
from mailproxy.names.record import Record, shown
from mailproxy.names.service import Service
from mailproxy.names.source import Listener, Source


@frozen
class Wanted:
    """What is followed: a host's name or a service's, and the family that is preferred."""

    name: str
    is_service: bool
    prefer: ResolvePrefer

    def __str__(self) -> str:
        """Write it as the configuration does."""
        return f"srv:{self.name}" if self.is_service else self.name


class View(Source):
    """The records of a host or service as they were last told; the order alone is no change (mutable)."""

    _log = Logger()

    def __init__(
        self, wanted: Wanted, join: Callable[[Listener], Host | Service], leave: Callable[[Listener], None]
    ) -> None:
        super().__init__()
        self.records: tuple[Record, ...] | None = None
        """None as long as nothing is known."""
        self._wanted = wanted
        self._leave = leave
        self._source = join(self._look)
        self._look()

    def stop(self) -> None:
        """Look no more."""
        self._leave(self._look)

    def _look(self) -> None:
        old, new = self.records, self._source.records(self._wanted.prefer)
        if new is None or (old is not None and set(old) == set(new)):
            return
        self.records = new
        self._log.emit(
            LogLevel.info if new else LogLevel.warn,
            "{name}: {old} -> {new}",
            event="name",
            name=str(self._wanted),
            old="not resolved" if old is None else shown(old),
            new=shown(new) if new else f"none ({self._source.denial})",
        )
        self.tell()
