"""Servers by host name: the pool follows DNS, and keeps its addresses when DNS does not answer."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import Front, Table, frontend
from tests.interop.nameserver import NameServer
from tests.interop.pool import CONNECT, SOON, Client, until_change
from tests.interop.ports import free_port
from tests.interop.recorder import Recorder, echo
from tests.interop.test_bad_backends import REFUSALS
from tests.interop.waiting import until

NAME = "imap.example.org"
ADDRESSES = {name: f"127.0.0.{201 + number}" for number, name in enumerate("abc")}


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as server:
        yield server


@pytest.fixture
def backend_port(recorder: StartRecorder) -> int:
    """The port of three recording backends, each on an address of its own."""
    port = free_port()
    for name, address in ADDRESSES.items():
        recorder(greeting(name), host=address, port=port)
    return port


def greeting(name: str) -> Callable[[Any], None]:
    return echo(f"* OK {name}\r\n".encode())


Following = Callable[..., "Named"]


class Named:
    """A front with servers by host name."""

    def __init__(self, start: StartFront, names: NameServer, server: Table, **backend: Any) -> None:
        self.port = free_port()
        self.front: Front = start(
            {
                "resolvers": {"nameservers": [names.address], "timeout": "300ms"},
                "frontend": {"front": frontend(self.port, "pool", tls="none")},
                "backend": {
                    "pool": {
                        "balance": "roundrobin",
                        "timeout": {"connect": CONNECT},
                        **backend,
                        "server": {"s": server},
                    }
                },
            }
        )

    def client(self) -> Client:
        return Client(self.port)

    def spread(self, count: int = 6) -> Counter[str]:
        """The servers of this number of successive clients; "" for a client without one."""
        counts: Counter[str] = Counter()
        for _ in range(count):
            with self.client() as client:
                line = client.greeting
            counts["" if line.startswith("* BYE") else line.split()[-1]] += 1
        return counts

    def until_spread(self, names: str) -> None:
        """Wait until clients get to exactly these servers, as soon as the last answer has expired."""
        until(lambda: set(self.spread()) == set(names), f"clients at {', '.join(names)}", pause=0.1)


@pytest.fixture
def following(front: StartFront, names: NameServer) -> Following:
    def start(server: dict[str, Any], **backend: Any) -> Named:
        return Named(front, names, server, **backend)

    return start


def test_host_name_is_looked_up_and_followed(following: Following, names: NameServer, backend_port: int) -> None:
    names.has_addresses(NAME, [ADDRESSES["a"]])
    started = following({"address": f"{NAME}:{backend_port}"})
    started.until_spread("a")
    with started.client() as client:
        assert client.server == "a"
        names.has_addresses(NAME, [ADDRESSES["b"]])
        started.until_spread("b")
        assert client.is_answered()  # it stays where it is


def test_each_address_of_a_name_is_a_server(following: Following, names: NameServer, backend_port: int) -> None:
    names.has_addresses(NAME, [ADDRESSES["a"], ADDRESSES["b"]])
    started = following({"template": {"count": 4, "name": f"{NAME}:{backend_port}"}})
    started.until_spread("ab")
    assert started.spread() == {"a": 3, "b": 3}


def test_address_that_is_new_gets_clients(following: Following, names: NameServer, backend_port: int) -> None:
    names.has_addresses(NAME, [ADDRESSES["a"]])
    started = following({"template": {"count": 4, "name": f"{NAME}:{backend_port}"}})
    started.until_spread("a")
    names.has_addresses(NAME, ADDRESSES.values())
    started.until_spread("abc")


def test_address_that_vanishes_is_drained(following: Following, names: NameServer, backend_port: int) -> None:
    names.has_addresses(NAME, [ADDRESSES["a"], ADDRESSES["b"]])
    started = following({"template": {"count": 2, "name": f"{NAME}:{backend_port}"}})
    started.until_spread("ab")
    clients = [started.client(), started.client()]
    there = {client.server: client for client in clients}
    names.has_addresses(NAME, [ADDRESSES["b"]])
    started.until_spread("b")
    assert there["a"].is_answered()
    assert there["b"].is_answered()
    for client in clients:
        client.leave()


@pytest.fixture
def services(recorder: StartRecorder, names: NameServer) -> dict[str, Recorder]:
    """Three recording backends on one address, by the letters of their names, each with a port of its own."""
    names.has_addresses("host.example.org", ["127.0.0.1"])
    return {name: recorder(greeting(name)) for name in "abc"}


def test_srv_records_say_where_the_servers_are_and_what_they_weigh(
    following: Following, names: NameServer, services: dict[str, Recorder]
) -> None:
    records = [("host.example.org", services[name].port, weight) for name, weight in [("a", 20), ("b", 10)]]
    names.has_services("_imap._tcp.example.org", records)
    started = following({"address": "srv:_imap._tcp.example.org"})
    started.until_spread("ab")
    assert started.spread(12) == {"a": 8, "b": 4}


def test_srv_records_are_followed(following: Following, names: NameServer, services: dict[str, Recorder]) -> None:
    def has(letters: str) -> None:
        records = [("host.example.org", services[name].port, 10) for name in letters]
        names.has_services("_imap._tcp.example.org", records)

    has("ab")
    started = following({"template": {"count": 3, "name": "srv:_imap._tcp.example.org"}})
    started.until_spread("ab")
    has("bc")
    started.until_spread("bc")


def test_service_that_dns_says_is_not_available_has_no_server(
    following: Following, names: NameServer, services: dict[str, Recorder]
) -> None:
    names.has_services("_imap._tcp.example.org", [("host.example.org", services["a"].port, 10)])
    started = following({"address": "srv:_imap._tcp.example.org"})
    started.until_spread("a")
    names.has_services("_imap._tcp.example.org", [("", 0, 0)])  # RFC 2782: the root as target
    until(lambda: set(started.spread(1)) == {""}, "no server to be left", pause=0.1)
    assert "DNS" in until_change(started.front, server="s1", state="no-address")["reason"]


@pytest.mark.parametrize("failure", ["is_silent", "is_failing"])
def test_last_answer_is_kept_while_dns_fails(
    following: Following, names: NameServer, backend_port: int, failure: str
) -> None:
    names.has_addresses(NAME, [ADDRESSES["a"]])
    started = following({"address": f"{NAME}:{backend_port}"})
    started.until_spread("a")
    setattr(names, failure, True)
    asked = len(names.questions)
    until(lambda: len(names.questions) > asked + 1, "questions that fail")
    assert started.spread() == {"a": 6}
    names.has_addresses(NAME, [ADDRESSES["b"]])
    setattr(names, failure, False)
    started.until_spread("b")  # after a failure DNS is asked less often


def test_start_does_not_wait_for_dns(following: Following, names: NameServer, backend_port: int) -> None:
    names.is_silent = True
    names.has_addresses(NAME, [ADDRESSES["a"]])
    started = following({"address": f"{NAME}:{backend_port}"})
    began = time.monotonic()
    with started.client() as client:
        assert client.rest().startswith(REFUSALS["imap"])
    assert time.monotonic() - began < SOON
    names.is_silent = False
    started.until_spread("a")


def test_servers_by_name_are_checked_at_the_address_that_they_have_now(
    following: Following, names: NameServer, backend_port: int
) -> None:
    names.has_addresses(NAME, ["127.0.0.250"])  # where nobody listens
    check = {"type": "mail", "inter": "150ms", "timeout": "30s"}
    started = following({"address": f"{NAME}:{backend_port}"}, check=check)
    until_change(started.front, server="s", state="down")
    names.has_addresses(NAME, [ADDRESSES["c"]])
    started.until_spread("c")
