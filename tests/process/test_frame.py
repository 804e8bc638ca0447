"""The frames of messages."""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailproxy.process.frame import Reader, frames
from mailproxy.process.message import Answer


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 60))
def test_any_pieces_make_the_same_messages(values: list[bytes], size: int) -> None:
    one, other = socket.socketpair()
    with one, other:
        data = b"".join(frame for value in values for frame, _ in frames(Answer(0, value)))
        reader = Reader(is_trusted=False)
        found = []
        for place in range(0, len(data), size):
            one.sendall(data[place : place + size])
            reader.receive(other)
            while (message := reader.next()) is not None:
                found.append(message[0].value)
    assert found == values


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_descriptors_of_a_message_that_is_not_allowed_are_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    readable, writable = os.pipe2(os.O_NONBLOCK)
    ((data, _),) = frames(Answer(1, os.system))
    socket.send_fds(one, [_with_descriptors(data, 1)], [writable])
    os.close(writable)
    reader = Reader(is_trusted=False)
    reader.receive(other)
    with pytest.raises(pickle.UnpicklingError):
        reader.next()
    reader.close()
    assert os.read(readable, 1) == b""  # nobody has the other end any more
    os.close(readable)


def test_message_that_lacks_descriptors_is_not_allowed(ends: tuple[socket.socket, socket.socket]) -> None:
    one, other = ends
    ((data, _),) = frames(Answer(1, "x"))
    one.sendall(_with_descriptors(data, 2))
    reader = Reader(is_trusted=True)
    reader.receive(other)
    with pytest.raises(pickle.UnpicklingError, match="2 descriptors, and 0 came"):
        reader.next()


def _with_descriptors(frame: bytes, count: int) -> bytes:
    return frame[:4] + count.to_bytes(2, "big") + frame[6:]
