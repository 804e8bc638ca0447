"""Watches the events of the service, but not those of sessions: they may be thousands a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Thread

from mailproxy.control.call import Call, NoService
from mailproxy.control.grammar import parse
from mailproxy.top.asking import AGAIN_SECONDS
from mailproxy.top.mailbox import Mailbox
from mailproxy.top.sample import Row

_QUESTION = parse(["watch", "service"])


class Listener(Thread):
    """Watches until the process ends, and connects again when the service was away."""

    def __init__(self, path: Callable[[], str], mailbox: Mailbox) -> None:
        """`path` returns the path of the admin socket; it may raise `NoService`."""
        super().__init__(name="listener", daemon=True)
        self._path = path
        self._mailbox = mailbox

    def run(self) -> None:
        """Watch, in a thread; the asker tells why the service does not answer."""
        while True:
            try:
                with Call(self._path()) as call:
                    for line in call.ask(_QUESTION):
                        if (event := event_of(line)) is not None:
                            self._mailbox.add_event(event)
            except NoService:
                pass
            time.sleep(AGAIN_SECONDS)


def event_of(line: Row) -> Row | None:
    """Return the event in a line of the answer; None if it has none."""
    match line.get("type"):
        case "event":
            return line
        case "lost":
            return {"level": "warn", "message": f"{line.get('events')} events were lost: there were too many"}
        case "error":
            return {"level": "error", "message": f"cannot watch the events: {line.get('error')}"}
    return None
