"""
Limits on the cost of a DNS message, checked before it is decoded; pure.

twisted.names' codec (26.10) does not limit the length of a name and follows any chain of pointers: an answer of 64 KiB
keeps it busy for seconds. `check` walks over the same names in the same order without decoding them.
"""

from __future__ import annotations

from struct import Struct

from twisted.names import dns

MAX_NAME = 255
"""The octets of a name, with the length of each label (RFC 1035 section 2.3.4)."""

MAX_STEPS = 10_000
"""The most labels and pointers of a message: 256 records with two names of 19 labels. Decoding them takes 10 ms."""

_HEADER = Struct("!6H")
"""Id, flags, and the numbers of questions, answers and records of two other sections (section 4.1.1)."""

_QUESTION_BYTES = 4
"""Type and class (section 4.1.2)."""

_RECORD = Struct("!HHIH")
"""Type, class, TTL and length (section 4.1.3)."""

_NAME_AT = {dns.CNAME: 0, dns.SRV: 6}
"""The offset of the name in a record's data (RFC 1035 section 3.3.1, RFC 2782)."""


_IS_TRUNCATED = 0x0200


def check(data: bytes, max_records: int) -> None:
    """
    Check the questions and the first `max_records` answers; of a truncated message, only the questions.

    ValueError with the octet at which the message ends early or exceeds a limit.
    """
    walk = _Walk(data)
    _, flags, questions, answers, _, _ = walk.numbers(_HEADER)
    for _ in range(questions):
        walk.name()
        walk.skip(_QUESTION_BYTES)
    for _ in range(0 if flags & _IS_TRUNCATED else min(answers, max_records)):
        walk.name()
        kind, its_class, _, length = walk.numbers(_RECORD)
        end = walk.at + length
        if its_class == dns.IN and kind in _NAME_AT:
            walk.skip(_NAME_AT[kind])
            walk.name()
        walk.at = end


class _Walk:
    """A way through a message (mutable): `at` is the next octet, `steps` counts labels and pointers."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self.steps = 0
        self._data = data

    def skip(self, count: int) -> None:
        left = len(self._data) - self.at
        if left < count:
            raise ValueError(f"octet {self.at}: {count} octets expected, {max(left, 0)} are left")
        self.at += count

    def numbers(self, layout: Struct) -> tuple[int, ...]:
        start = self.at
        self.skip(layout.size)
        return layout.unpack_from(self._data, start)

    def name(self) -> None:
        size, start, end = 1, self.at, 0
        while True:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise ValueError(f"more than {MAX_STEPS} labels")
            self.skip(1)
            length = self._data[self.at - 1]
            if length == 0:
                self.at = end or self.at
                return
            if length < 0x40:
                size += 1 + length
                if size > MAX_NAME:
                    raise ValueError(f"octet {start}: a name of more than {MAX_NAME} octets")
                self.skip(length)
            elif length >= 0xC0:
                # To an earlier name (RFC 1035 section 4.1.4): other pointers can make a loop.
                self.skip(1)
                target = (length & 0x3F) << 8 | self._data[self.at - 1]
                if target >= start:
                    raise ValueError(f"octet {self.at - 2}: a pointer to {target}, which is not before {start}")
                end = end or self.at
                self.at = start = target
            else:
                raise ValueError(f"octet {self.at - 1}: a label of an unknown kind")
