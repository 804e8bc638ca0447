"""
Messages between two processes over a UNIX socket, in order, with or without descriptors.

A frame has a head (the number of bytes that follow, and of descriptors), and then the message. Sending never blocks:
frames wait in memory until the peer takes them. A stopped process is killed soon (`workers`), and the frames that wait
for it are dropped.
"""

from __future__ import annotations

import array
import io
import os
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from attrs import has
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.logger import Logger

from mailproxy.transport.poller import READ, WRITE, Poller

_HEAD = struct.Struct("!IH")

# The kernel accepts 253 (SCM_MAX_FD) in one message.
_MOST_DESCRIPTORS = 200

_READ_BYTES = 65536
_CONTROL_BYTES = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)

_PLAIN: frozenset[Any] = frozenset({datetime, timedelta, timezone, IPv4Address, IPv6Address, IPv4Network, IPv6Network})


# The module of the real functions cannot be imported by name.
def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _crl(der: bytes) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(der)


class _Pickler(pickle.Pickler):
    """Also pickles certificates and lists of cryptography, as DER."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, x509.Certificate):
            return _certificate, (obj.public_bytes(Encoding.DER),)
        if isinstance(obj, x509.CertificateRevocationList):
            return _crl, (obj.public_bytes(Encoding.DER),)
        return NotImplemented


class _Wary(pickle.Unpickler):
    """Only makes values of our attrs classes and of a few of Python's: no message can call a function."""

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] in ("mailproxy", "datetime", "ipaddress"):
            found = super().find_class(module, name)
            if isinstance(found, type) and (has(found) or found in _PLAIN):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is not for messages")


def encode(message: object) -> bytes:
    """Return a message as bytes."""
    out = io.BytesIO()
    _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(message)
    return out.getvalue()


def decode(data: bytes, *, is_trusted: bool) -> Any:
    """Return an encoded message; raise `pickle.UnpicklingError` for classes that an untrusted sender may not use."""
    file = io.BytesIO(data)
    return (pickle.Unpickler(file) if is_trusted else _Wary(file)).load()


def frames(message: object, descriptors: Sequence[int] = ()) -> list[tuple[bytes, Sequence[int]]]:
    """Return the frames of a message: bytes, and the descriptors that are sent with their first byte."""
    data = encode(message)
    made: list[tuple[bytes, Sequence[int]]] = []
    while len(descriptors) > _MOST_DESCRIPTORS:
        # A frame without bytes: more descriptors follow.
        made.append((_HEAD.pack(0, _MOST_DESCRIPTORS), descriptors[:_MOST_DESCRIPTORS]))
        descriptors = descriptors[_MOST_DESCRIPTORS:]
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
        """Return the next message and its descriptors, which the caller closes; None if no message is complete."""
        while len(self._data) >= _HEAD.size:
            length, count = _HEAD.unpack_from(self._data)
            if len(self._data) < _HEAD.size + length:
                return None
            body = bytes(self._data[_HEAD.size : _HEAD.size + length])
            del self._data[: _HEAD.size + length]
            self._taken += [self._descriptors.popleft() for _ in range(count)]
            if length:
                taken, self._taken = self._taken, []
                return decode(body, is_trusted=self._is_trusted), taken
        return None

    def close(self) -> None:
        """Close the descriptors of messages that were not taken."""
        for descriptor in (*self._taken, *self._descriptors):
            os.close(descriptor)
        self._taken.clear()
        self._descriptors.clear()


class Channel:
    """One end of a socket between two processes, on a poller."""

    _log = Logger()

    def __init__(
        self,
        sock: socket.socket,
        poller: Poller,
        received: Callable[[Any, list[int]], None],
        lost: Callable[[], None],
        *,
        is_trusted: bool,
    ) -> None:
        """Call `received` with each message and its descriptors, and `lost` once, when the peer has closed."""
        sock.setblocking(False)
        self._socket = sock
        self._poller = poller
        self._received = received
        self._lost = lost
        self._reader = Reader(is_trusted=is_trusted)
        self._waiting: deque[tuple[memoryview, Sequence[int]]] = deque()
        self._is_open = True
        self._is_broken = False
        poller.add(sock.fileno(), self._on_event, READ)

    def send(self, message: object, descriptors: Sequence[int] = ()) -> None:
        """Send a message; it is lost if the peer has closed. The caller keeps its descriptors."""
        if not self._is_open or self._is_broken:
            return
        was_idle = not self._waiting
        for data, with_it in frames(message, descriptors):
            # Duplicates, so that the caller may close its own before these are sent.
            self._waiting.append((memoryview(data), [os.dup(one) for one in with_it]))
        if was_idle:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._waiting:
                data, descriptors = self._waiting[0]
                control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
                sent = self._socket.sendmsg([data], control, socket.MSG_NOSIGNAL)
                _close_all(descriptors)
                if sent < len(data):
                    self._waiting[0] = data[sent:], ()
                else:
                    self._waiting.popleft()
        except BlockingIOError:
            self._poller.change(self._socket.fileno(), READ | WRITE)
        except OSError:
            # `lost` is called by the next read, not here: the caller of `send` does not expect it.
            self._drop_waiting()
            self._is_broken = True
            self._poller.change(self._socket.fileno(), READ)
        else:
            self._poller.change(self._socket.fileno(), READ)

    def _on_event(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if not self._is_open:
            return
        try:
            goes_on = self._reader.receive(self._socket)
        except BlockingIOError:
            return
        except OSError:
            goes_on = False
        try:
            while self._is_open and (found := self._reader.next()) is not None:
                self._tell(*found)
        except pickle.UnpicklingError:
            self._log.failure("a process sent a message that is not allowed")
            goes_on = False
        if not goes_on:
            self._end()

    def _tell(self, message: Any, descriptors: list[int]) -> None:
        try:
            self._received(message, descriptors)
        except Exception:
            # Our bug; later messages are still handled.
            self._log.failure("bug in handling the message {kind}", kind=type(message).__name__)

    def _end(self) -> None:
        if self._is_open:
            self.close()
            self._lost()

    def broke(self) -> None:
        """Continue after a bug of ours."""

    def close(self) -> None:
        """Close the socket."""
        if not self._is_open:
            return
        self._is_open = False
        self._poller.remove(self._socket.fileno())
        self._socket.close()
        self._reader.close()
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        for _, descriptors in self._waiting:
            _close_all(descriptors)
        self._waiting.clear()


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
