"""What mailproxy sends to systemd, and when."""

import os
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from twisted.internet.task import Clock

from mailproxy.config import Frontend, InetBind
from mailproxy.front.sockets import Sockets
from mailproxy.systemd.handed import Stored
from mailproxy.systemd.notifier import Notifier
from mailproxy.systemd.reports import STATUS_SECONDS, Reports, make_reports

ANY_PORT = InetBind(ip_address("127.0.0.1"), 0)


class Sent(Notifier):
    """Keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.is_closed = False

    def send(self, message: bytes, descriptor: int | None = None) -> None:
        self.messages.append(message.decode())

    def close(self) -> None:
        self.is_closed = True

    def take(self) -> list[str]:
        taken, self.messages = self.messages, []
        return taken


class Service:
    """A service with reports."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sent = Sent()
        self.sockets = Sockets()
        self.words = "quiet"

    def reports(self, watchdog: float | None = None, stored: tuple[Stored, ...] = ()) -> Reports:
        return Reports(
            self.sent,
            self.clock,
            bounds=lambda: self.sockets.bounds,
            summary=lambda: self.words,
            watchdog=watchdog,
            stored=stored,
        )

    def listen(self, *names: str) -> list[str]:
        """Listen for frontends of these names alone; the names in the store."""
        frontends = [Frontend(name=name, bind=(ANY_PORT,), protocol="imap", tls="none", backend="b") for name in names]
        self.sockets.close_others(())
        self.sockets.bind(frontends)
        return [f"bind AF_INET {bound.address.replace(':', '%3A')}" for bound in self.sockets.bounds]


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.sockets.close()


def test_sockets_are_in_the_store_before_the_service_is_ready(service: Service) -> None:
    (name,) = service.listen("a")
    service.reports().ready()
    assert service.sent.take() == [f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", "READY=1\nSTATUS=quiet"]


def test_sockets_that_are_stored_already_are_not_stored_again(service: Service) -> None:
    (name,) = service.listen("a")
    (bound,) = service.sockets.bounds
    stored = Stored(name, bound.socket, os.fstat(bound.socket.fileno()).st_ino)
    service.reports(stored=(stored,)).ready()
    assert service.sent.take() == ["READY=1\nSTATUS=quiet"]


def test_another_socket_with_the_same_address_takes_the_place_in_the_store(service: Service) -> None:
    (name,) = service.listen("a")
    (bound,) = service.sockets.bounds
    service.reports(stored=(Stored(name, bound.socket, 0),)).ready()
    assert service.sent.take()[:2] == [f"FDSTOREREMOVE=1\nFDNAME={name}", f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}"]


def test_socket_that_is_closed_leaves_the_store(service: Service) -> None:
    (name,) = service.listen("a")
    reports = service.reports()
    reports.ready()
    service.sent.take()
    service.sockets.close()
    service.clock.advance(STATUS_SECONDS)
    assert service.sent.take() == [f"FDSTOREREMOVE=1\nFDNAME={name}"]


def test_socket_that_belongs_to_systemd_is_not_stored(service: Service) -> None:
    service.listen("a")
    service.sockets.bounds[0].is_lent = True
    service.reports().ready()
    assert service.sent.take() == ["READY=1\nSTATUS=quiet"]


def test_status_is_reported_when_it_changes(service: Service) -> None:
    service.reports().ready()
    service.sent.take()
    service.clock.advance(STATUS_SECONDS)
    assert service.sent.take() == []
    service.words = "busy"
    service.clock.advance(STATUS_SECONDS)
    assert service.sent.take() == ["STATUS=busy"]


def test_reload_begins_and_ends(service: Service) -> None:
    reports = service.reports()
    reports.ready()
    service.sent.take()
    reports.reloading()
    reports.ready()
    begins, ends = service.sent.take()
    assert begins.startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert ends == "READY=1\nSTATUS=quiet"
    assert len(service.clock.getDelayedCalls()) == 1


def test_stop_keeps_the_sockets_where_the_next_process_finds_them(service: Service) -> None:
    service.listen("a")
    reports = service.reports()
    reports.ready()
    service.sent.take()
    assert reports.stopping(10.0, keeps_sockets=True)
    service.sockets.close()
    service.clock.advance(STATUS_SECONDS)
    assert service.sent.take() == ["STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nSTATUS=quiet"]


def test_stop_without_sockets_takes_them_out_of_the_store(service: Service) -> None:
    (name,) = service.listen("a")
    reports = service.reports()
    reports.ready()
    service.sent.take()
    assert not reports.stopping(10.0, keeps_sockets=False)
    assert service.sent.take()[0] == f"FDSTOREREMOVE=1\nFDNAME={name}"


def test_service_that_stops_is_not_ready_again(service: Service) -> None:
    reports = service.reports()
    reports.stopping(10.0, keeps_sockets=True)
    service.sent.take()
    reports.ready()
    assert service.sent.take() == []


def test_watchdog_gets_a_message_twice_in_its_time(service: Service) -> None:
    service.reports(watchdog=30.0).begin()
    assert service.sent.take() == ["WATCHDOG=1"]
    service.clock.advance(14.9)
    assert service.sent.take() == []
    service.clock.advance(0.2)
    assert service.sent.take() == ["WATCHDOG=1"]


def test_without_a_watchdog_nothing_is_sent(service: Service) -> None:
    service.reports().begin()
    assert service.sent.take() == []
    assert service.clock.getDelayedCalls() == []


def test_nothing_is_left_at_the_end(service: Service) -> None:
    reports = service.reports(watchdog=30.0)
    reports.begin()
    reports.ready()
    reports.close()
    assert service.clock.getDelayedCalls() == []
    assert service.sent.is_closed


def test_systemd_that_asks_for_no_reports_gets_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    made = make_reports(service.clock, bounds=lambda: service.sockets.bounds, summary=lambda: "quiet", stored=())
    assert made is None
