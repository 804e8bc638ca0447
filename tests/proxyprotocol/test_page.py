"""The code of docs/proxyprotocol.md, run as its readers run it."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

from mailproxy.proxyprotocol import TruncatedHeader, decode
from tests.proxyprotocol.vectors import ALL_OPTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "proxyprotocol.md").read_text()
READING, *OTHERS, WRITING = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


class Closed:
    """A connection that the peer has closed after some bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ends = 0

    def recv(self, size: int) -> bytes:
        data, self.data = self.data[:size], self.data[size:]
        self.ends += not data
        assert self.ends < 2, "read again after the end"
        return data


def test_example_for_reading_works() -> None:
    reader: dict[str, Any] = {"connection": Closed(ALL_OPTIONS)}
    exec(READING, reader)
    assert reader["header"] == decode(ALL_OPTIONS)


def test_example_for_reading_ends_when_the_peer_closes() -> None:
    for data in (b"", ALL_OPTIONS[:20]):
        reported: list[object] = []
        reading = READING.partition("\n\nheader.command")[0].replace("...", "reported.append(error)")
        exec(reading, {"connection": Closed(data), "reported": reported})
        assert [type(error) for error in reported] == [TruncatedHeader]


def test_example_for_writing_works() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer: dict[str, Any] = {"connection": ours}
        exec(WRITING, writer)
        assert decode(theirs.recv(1000)).authority == "mail.example.test"
        assert OTHERS == []
