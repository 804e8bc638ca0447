"""
`/metrics`: what Prometheus collects.

A page is written in turns of a millisecond, and kept for a second: clients that ask at the same time share it. Each
gets it piece by piece, as it reads.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from attrs import frozen

from mailproxy.control.running import Running
from mailproxy.metrics.collector import ServiceCollector
from mailproxy.metrics.exposition import PIECE_BYTES, Format, choose, write
from mailproxy.web.reply import Stream
from mailproxy.web.request import Request
from mailproxy.web.turns import Turns

KEPT_SECONDS = 1.0
"""How long a page is for further clients; Prometheus seldom asks more often."""

TURN_SECONDS = 0.001
"""About how long the work for a page is at a time."""


@frozen
class _Page:
    pieces: Sequence[bytes]
    made: float


class MetricsPages:
    """The latest page in each format (mutable)."""

    def __init__(
        self, running: Running, turns: Turns, reactor: Any, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`clock` measures the time of a turn, in seconds."""
        self._collector = ServiceCollector(running)
        self._turns = turns
        self._reactor = reactor
        self._clock = clock
        self._pages: dict[Format, _Page] = {}

    def get(self, request: Request) -> Stream:
        """Return the page in the format that a request wants."""
        format = choose(request.header("Accept") or "")
        return Stream(self._pieces(format), format.type)

    async def _pieces(self, format: Format) -> AsyncGenerator[bytes, None]:
        page = self._pages.get(format)
        if page is None or self._reactor.seconds() - page.made >= KEPT_SECONDS:
            page = self._pages[format] = _Page(await self._write(format), self._reactor.seconds())
        for piece in page.pieces:
            yield piece

    async def _write(self, format: Format) -> Sequence[bytes]:
        clock = self._clock
        pieces: list[bytes] = []
        texts: list[str] = []
        size = 0
        began = clock()
        for text in write(self._collector.parts(), format):
            texts.append(text)
            size += len(text)
            if size >= PIECE_BYTES:
                pieces.append("".join(texts).encode())
                texts, size = [], 0
            if clock() - began >= TURN_SECONDS:
                await self._turns.next()
                began = clock()
        pieces.append("".join(texts).encode())
        return pieces
