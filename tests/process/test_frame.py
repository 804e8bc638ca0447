"""The frames of messages."""

from __future__ import annotations

import socket

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
