"""The assignment of a name's addresses to the slots of a backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from twisted.logger import Logger

from mailproxy import config
from mailproxy.config.model import ResolvePrefer
from mailproxy.names.record import Record, shown, without_duplicates

if TYPE_CHECKING:
    from mailproxy.names.names import Changed

Slots = tuple[Record | None, ...]

Placed = Callable[[int, Record | None], None]


def seat(slots: Slots, answer: Sequence[Record]) -> tuple[Slots, tuple[Record, ...]]:
    """
    Return the slots after an answer, and the records without a slot.

    A record stays in its slot while the answer has its host and port, with the answer's weight; a record that has
    vanished leaves its slot; a new one gets the first free slot. A single name is a template with one slot.
    """
    waiting = {record.place: record for record in without_duplicates(answer)}
    kept = tuple(None if record is None else waiting.pop(record.place, None) for record in slots)
    new = iter(waiting.values())
    seated = tuple(next(new, None) if record is None else record for record in kept)
    return seated, tuple(new)


class Follows(Protocol):
    """Follows names: `Names`."""

    def follow(self, address: config.NamedServer | config.SrvServer, prefer: ResolvePrefer, changed: Changed) -> Stops:
        """Call `changed` with the name's records."""


class Stops(Protocol):
    """Can be stopped: `Following`."""

    def stop(self) -> None:
        """Stop calling `changed`."""


class SlotFiller:
    """
    Keeps the slots of a server with a name filled (mutable); an ordinary server is a template with one slot.

    `placed` is called with a slot's index, from 0, and its new record, which may be the same server with another
    weight; or with None if the slot is empty: its sessions continue, it gets no new ones.
    """

    _log = Logger()

    def __init__(
        self, names: Follows, label: str, server: config.Server, placed: Placed, slots: Slots | None = None
    ) -> None:
        """`slots` has the current records, for which `placed` is not called again; without it all are empty."""
        if not isinstance(server.address, config.NamedServer | config.SrvServer):
            raise TypeError(f"{server.address} is no name")
        self.slots: Slots = (None,) * server.count if slots is None else slots
        self._label = label
        self._address = server.address
        # An ordinary server needs only one of many addresses; a template needs all.
        self._is_template = server.count > 1 or isinstance(server.address, config.SrvServer)
        self._placed = placed
        self._is_full = False
        self._following = names.follow(server.address, server.resolve_prefer, self._changed)

    def stop(self) -> None:
        """Stop; the slots keep their records."""
        self._following.stop()

    def _changed(self, records: tuple[Record, ...]) -> None:
        before = self.slots
        self.slots, rest = seat(before, records)
        self._note(rest)
        for index, (old, new) in enumerate(zip(before, self.slots, strict=True)):
            if old != new:
                self._placed(index, new)

    def _note(self, rest: tuple[Record, ...]) -> None:
        if rest and self._is_template and not self._is_full:
            self._log.warn(
                "{label}: {name} has more addresses than the {count} slots; without a slot: {rest}",
                event="slots-full",
                label=self._label,
                name=str(self._address),
                count=len(self.slots),
                rest=shown(rest),
            )
        self._is_full = bool(rest)
