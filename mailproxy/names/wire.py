"""
DNS messages as bytes, read with bounds (RFC 1035 section 4); pure.

twisted.names (26.10) has a codec, but no bound on the length of a name: an answer of 64 KiB keeps it busy for seconds.
"""

from __future__ import annotations

from struct import Struct

MAX_NAME = 255
"""The octets of a name, with the length of each label (RFC 1035 section 2.3.4)."""

MAX_STEPS = 10_000
"""How many labels and pointers are read of one message: 256 records with two names of 19 labels; they take 5 ms."""


class Reader:
    """Reads a message from its start; ValueError where it is malformed or passes a bound (mutable)."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        """Where the next octet is read."""
        self.steps = 0
        """How many labels and pointers were read."""
        self._data = data

    def numbers(self, layout: Struct) -> tuple[int, ...]:
        """Read numbers as `layout` has them."""
        return layout.unpack(self.octets(layout.size))

    def octets(self, count: int) -> bytes:
        """Read `count` octets."""
        octets = self._data[self.at : self.at + count]
        if len(octets) < count:
            raise ValueError(f"octet {self.at}: {count} octets expected, {len(octets)} are left")
        self.at += count
        return octets

    def name(self) -> bytes:
        """Read a name; return it in lower case, with dots between its labels and a backslash before dots in them."""
        labels: list[bytes] = []
        size = 1
        start, end = self.at, 0
        while True:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise ValueError(f"more than {MAX_STEPS} labels")
            (length,) = self.octets(1)
            if length == 0:
                self.at = end or self.at
                return b".".join(labels).lower()
            if length < 0x40:
                size += 1 + length
                if size > MAX_NAME:
                    raise ValueError(f"octet {start}: a name of more than {MAX_NAME} octets")
                labels.append(self.octets(length).replace(b".", rb"\."))
            elif length >= 0xC0:
                # To an earlier name (section 4.1.4): a pointer that does not lead back is a way to go in circles.
                (low,) = self.octets(1)
                target = (length & 0x3F) << 8 | low
                if target >= start:
                    raise ValueError(f"octet {self.at - 2}: a pointer to {target}, which is not before {start}")
                end = end or self.at
                self.at = start = target
            else:
                raise ValueError(f"octet {self.at - 1}: a label of an unknown kind")


def wire_name(name: str) -> bytes:
    """Return a name as it is sent; `name` is as `mailproxy.names.question.canonical` returns it."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
