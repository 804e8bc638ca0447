"""Which record sits in which slot of a template; pure."""

from __future__ import annotations

from collections.abc import Sequence

from mailproxy.names.record import Record, without_duplicates

Slots = tuple[Record | None, ...]


def seat(slots: Slots, answer: Sequence[Record]) -> tuple[Slots, tuple[Record, ...]]:
    """
    Return the slots after an answer, and the records that found none.

    A record stays in its slot while its host and port are in the answer, with the weight that it has there; one that
    has vanished leaves its slot; a new one takes the first free slot. A single name is a template with one slot.
    """
    waiting = {record.place: record for record in without_duplicates(answer)}
    kept = tuple(None if record is None else waiting.pop(record.place, None) for record in slots)
    new = iter(waiting.values())
    seated = tuple(next(new, None) if record is None else record for record in kept)
    return seated, tuple(new)
