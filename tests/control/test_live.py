"""The events of one process, and the sessions that begin."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from mailproxy.control.live import LiveEvents
from mailproxy.session.log import SessionLog
from mailproxy.session.sampling import Sampler


@pytest.mark.parametrize("wants_first", [False, True])
def test_sessions_are_for_observers_that_want_them(wants_first: bool) -> None:
    clock = Clock()
    sessions = SessionLog(clock, Sampler(clock))
    live = LiveEvents(LogPublisher(), sessions)
    observer: Any = print
    if wants_first:
        live.want_sessions(True)
    live.addObserver(observer)
    live.want_sessions(True)
    assert sessions.watchers == [observer]
    live.want_sessions(False)
    assert sessions.watchers == []
    live.want_sessions(True)
    live.removeObserver(observer)
    assert sessions.watchers == []
