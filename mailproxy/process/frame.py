"""
The frames of messages on a UNIX socket, with or without descriptors.

A frame has a head (the number of bytes that follow, and of descriptors), and then the message.
"""

from __future__ import annotations

import array
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

from mailproxy.process.encoding import decode, encode

_HEAD = struct.Struct("!IH")

# The kernel accepts 253 (SCM_MAX_FD) in one message.
_MAX_DESCRIPTORS = 200

_READ_BYTES = 65536
_CONTROL_BYTES = socket.CMSG_SPACE(_MAX_DESCRIPTORS * array.array("i").itemsize)


def frames(message: object, descriptors: Sequence[int] = ()) -> list[tuple[bytes, Sequence[int]]]:
    """Return the frames of a message: bytes, and the descriptors that are sent with their first byte."""
    data = encode(message)
    made: list[tuple[bytes, Sequence[int]]] = []
    while len(descriptors) > _MAX_DESCRIPTORS:
        # A frame without bytes: more descriptors follow.
        made.append((_HEAD.pack(0, _MAX_DESCRIPTORS), descriptors[:_MAX_DESCRIPTORS]))
        descriptors = descriptors[_MAX_DESCRIPTORS:]
    made.append((_HEAD.pack(len(data), len(descriptors)) + data, descriptors))
    return made


class Reader:
    """Parses received bytes into messages (mutable)."""

    def __init__(self, *, is_trusted: bool) -> None:
        """With `is_trusted`, messages may contain anything that pickle can make."""
        self._is_trusted = is_trusted
        self._data = bytearray()
        self._descriptors: deque[int] = deque()
        self._taken: list[int] = []

    def receive(self, sock: socket.socket) -> bool:
        """Read all that a socket has; return False when the peer has closed."""
        data, control, _, _ = sock.recvmsg(_READ_BYTES, _CONTROL_BYTES, socket.MSG_CMSG_CLOEXEC)
        for level, kind, found in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i")
                numbers.frombytes(found[: len(found) - len(found) % numbers.itemsize])
                self._descriptors.extend(numbers)
        self._data += data
        return bool(data)

    def next(self) -> tuple[Any, list[int]] | None:
        """
        Return the next message and its descriptors, which the caller closes; None if no message is complete.

        Raises `pickle.UnpicklingError` for a message that is not allowed or lacks descriptors; no other follows then.
        """
        while len(self._data) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._data)
            if len(self._data) < _HEAD.size + length:
                return None
            body = bytes(self._data[_HEAD.size : _HEAD.size + length])
            del self._data[: _HEAD.size + length]
            if count > len(self._descriptors):
                # The kernel leaves out those for which this process has no room (EMFILE).
                raise pickle.UnpicklingError(f"a message has {count} descriptors, and {len(self._descriptors)} came")
            self._taken += [self._descriptors.popleft() for _ in range(count)]
            if length:
                message = decode(body, is_trusted=self._is_trusted)
                taken, self._taken = self._taken, []
                return message, taken
        return None

    def close(self) -> None:
        """Close the descriptors of messages that were not taken."""
        for descriptor in (*self._taken, *self._descriptors):
            os.close(descriptor)
        self._taken.clear()
        self._descriptors.clear()
