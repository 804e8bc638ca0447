"""Sends the changed sections of the page to those who have it open: server-sent events, one for each section."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

from twisted.internet.defer import Deferred

from mailproxy.web.events import PULSE, RETRY
from mailproxy.web.stats.sections import Sections

SECONDS = 1.0
"""The time between two updates."""

PULSES = 15
"""After this many updates without a change, a comment is sent."""


async def updates(sections: Sections, search: str, reactor: Any) -> AsyncGenerator[bytes, None]:
    """Yield the sections, and then again each one that has changed; as slowly as the client reads."""
    sent: dict[str, str] = {}
    quiet = 0
    yield RETRY
    while True:
        now = await sections.all(search)
        changed = [id for id, html in now.items() if sent.get(id) != html]
        sent = now
        quiet = 0 if changed else quiet + 1
        for id in changed:
            data = json.dumps({"id": id, "html": now[id]})
            yield f"event: section\ndata: {data}\n\n".encode()
        if quiet >= PULSES:
            quiet = 0
            yield PULSE
        await _pause(reactor)


def _pause(reactor: Any) -> Deferred[None]:
    call: Any = None
    paused: Deferred[None] = Deferred(lambda ignored: call.cancel())
    call = reactor.callLater(SECONDS, paused.callback, None)
    return paused
