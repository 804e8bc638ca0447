"""The stop of a service: how it begins, and how it is hurried."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import formatEvent

from mailproxy.config import UnixBind
from mailproxy.front.supervisor import Unsupervised
from tests.running import Make, Running, gentle, make, running

__all__ = ["gentle", "make", "running"]


@pytest.mark.parametrize(("clients", "words"), [(1, "1 session"), (2, "2 sessions")])
def test_stop_says_how_many_sessions_are_left(running: Running, clients: int, words: str) -> None:
    for _ in range(clients):
        running.relay()
    running.stop()
    (event,) = running.logged("stopping")
    assert formatEvent(event) == f"stopping, with up to 10 s for {words}"
    assert event["sessions"] == clients


def test_stop_that_is_to_be_now_waits_no_longer(running: Running) -> None:
    client, _ = running.relay()
    running.stop()
    client.send(b"x")
    running.advance(0.3)
    assert not running.has_stopped
    running.service.stop.hurry()
    running.advance(0.05)
    assert running.has_stopped
    assert not running.service.frontends[0].sessions


def test_stop_that_is_to_be_now_before_it_begins_waits_for_nobody(running: Running) -> None:
    running.relay()
    running.service.stop.hurry()
    assert running.stop().called


def test_stop_may_be_hurried_when_it_is_over(running: Running) -> None:
    running.stop()
    running.service.stop.hurry()
    assert running.has_stopped


@pytest.mark.parametrize("seconds", [1.0, 20.0, 70.0])
def test_second_signal_ends_all_at_once_whatever_is_waited_for(gentle: Running, seconds: float) -> None:
    client, _ = gentle.relay()
    gentle.stop()
    gentle.stay_busy(client, seconds)
    assert not gentle.has_stopped
    gentle.service.stop.hurry()
    gentle.advance(0.05)
    assert gentle.has_stopped


def test_drain_has_times_of_its_own(gentle: Running) -> None:
    gentle.relay()
    gentle.service.stop.drain(delay=0.0, timeout=7.0)
    assert gentle.service.stop.has_begun
    gentle.service.stop.drain(timeout=1.0)
    gentle.reactor.advance(0)
    assert gentle.reactor.stops == 1
    gentle.stop()
    (event,) = gentle.logged("stopping")
    assert event["seconds"] == 7 + 20 + 3
    assert not gentle.has_stopped
    gentle.advance(30)
    assert gentle.has_stopped


def test_stop_that_is_asked_for_twice_ends_all_at_once(gentle: Running) -> None:
    gentle.relay()
    for _ in range(2):
        gentle.service.stop.ask()
    gentle.reactor.advance(0)
    assert gentle.reactor.stops == 1
    assert gentle.stop().called


class Keeper(Unsupervised):
    """A supervisor that has the listening sockets as well, if the service lets it keep them."""

    def __init__(self) -> None:
        self.keeps = False

    def stopping(self, seconds: float, *, keeps_sockets: bool) -> bool:
        self.keeps = keeps_sockets
        return keeps_sockets


@pytest.mark.parametrize(("timeout", "spread", "keeps"), [(0.0, 0.0, True), (5.0, 0.0, False), (0.0, 5.0, False)])
def test_supervisor_keeps_sockets_unless_sessions_have_time(
    make: Make, tmp_path: Path, timeout: float, spread: float, keeps: bool
) -> None:
    path = tmp_path / "front.sock"
    running = make(bind=(UnixBind(str(path)),), drain_timeout=timeout, drain_spread=spread)
    keeper = running.service.supervisor = Keeper()
    running.start()
    running.stop()
    running.advance(0.1)
    assert running.has_stopped
    assert (keeper.keeps, path.exists()) == (keeps, keeps)
