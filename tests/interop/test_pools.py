"""Three Dovecots behind one mailproxy, under load in all five protocols, while Dovecots fail."""

import re
from collections.abc import Iterator, Mapping

import pytest
from attrs import frozen

from tests.interop.certificates import Certificates
from tests.interop.clients import Imap, connect_tls
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PASSWORD, PROTOCOLS, USER, Dovecot
from tests.interop.front import Front, frontend
from tests.interop.load import Load
from tests.interop.pool import changes, until_change
from tests.interop.ports import free_port
from tests.interop.waiting import SLACK_SECONDS, until

# The timeout is for a machine that has much else to do: on a quiet one a check takes a few ms.
INTER, FASTINTER, CHECK_TIMEOUT = 0.3, 0.2, 4.0
RISE, FALL = 2, 3
JITTER = 1.1
SLACK = 3 * SLACK_SECONDS  # as many servers and protocols change at once

# The longest that HAProxy's counters allow: a check has just passed; each of the next waits in vain.
DOWN_SECONDS = (INTER + (FALL - 1) * FASTINTER) * JITTER + FALL * CHECK_TIMEOUT + SLACK
UP_SECONDS = RISE * INTER * JITTER + SLACK

_CHECK = {
    "type": "mail",
    "inter": f"{INTER * 1000:.0f}ms",
    "fastinter": f"{FASTINTER * 1000:.0f}ms",
    "timeout": f"{CHECK_TIMEOUT * 1000:.0f}ms",
    "rise": RISE,
    "fall": FALL,
}


@frozen
class Site:
    """The front, where it listens for which protocol, and the Dovecots by name."""

    front: Front
    ports: Mapping[str, int]
    dovecots: Mapping[str, Dovecot]

    def served(self, server: str, protocol: str) -> int:
        """How many sessions for a protocol a server has had."""
        sessions = self.front.events(event="session", server=server, frontend=protocol)
        return sum(session["bytes_in"] > 0 for session in sessions)

    def server_of(self, client_port: int) -> str | None:
        """Which server knows of a client, by its port."""
        port = f" rport=<{client_port}>"
        return next((name for name, dovecot in self.dovecots.items() if port in dovecot.log), None)

    def until_served(self, server: str, protocols: tuple[str, ...] = PROTOCOLS) -> None:
        """Wait until a server has had more sessions for each of these protocols."""
        before = {protocol: self.served(server, protocol) for protocol in protocols}
        until(
            lambda: all(self.served(server, protocol) > count for protocol, count in before.items()),
            f"sessions for all protocols at {server}",
        )

    def states(self, server: str, protocol: str) -> list[str]:
        """What states a server has been in for a protocol, in order."""
        return [event["state"] for event in changes(self.front, server=server, protocol=protocol)]

    def until_all(
        self, server: str, state: str, seconds: float, protocols: tuple[str, ...] = PROTOCOLS
    ) -> Mapping[str, str]:
        """Wait until a server is in a state for all these protocols; by protocol, the reason that the log has."""

        def are_there() -> bool:
            return all(self.states(server, protocol)[-1:] == [state] for protocol in protocols)

        try:
            until(are_there, f"{server} to be {state}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error} in\n{self.front.output[-5000:]}") from None
        return {protocol: changes(self.front, server=server, protocol=protocol)[-1]["reason"] for protocol in protocols}


@pytest.fixture
def site(front: StartFront, dovecots: Mapping[str, Dovecot], pki: Certificates) -> Site:
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    running = front(
        {
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {
                protocol: frontend(port, "dovecot", protocol=protocol, timeout={"login": "60s"})
                for protocol, port in ports.items()
            },
            "backend": {
                "dovecot": {
                    "profile": "dovecot",
                    "ports": dovecots["d1"].ports,
                    "check": _CHECK,
                    "timeout": {"connect": "3s"},
                    "default-server": {"on-marked-down": "shutdown-sessions"},
                    "server": {name: {"address": dovecot.host} for name, dovecot in dovecots.items()},
                }
            },
        }
    )
    return Site(running, ports, dovecots)


@pytest.fixture
def load(site: Site, pki: Certificates) -> Iterator[Load]:
    """Clients that log in for the whole test."""
    with Load(site.ports, pki.client()) as load:
        load.until_more()
        yield load
        load.until_more()
    print(load)


def test_killed_dovecot_costs_no_login_and_gets_its_share_afterwards(site: Site, load: Load) -> None:
    site.until_served("d1")
    site.dovecots["d1"].kill()
    try:
        reasons = site.until_all("d1", "down", DOWN_SECONDS)
    finally:
        site.dovecots["d1"].start()
    site.until_all("d1", "up", UP_SECONDS)
    site.until_served("d1")
    assert all("refused" in reason for reason in reasons.values()), reasons
    assert [site.states("d1", protocol) for protocol in PROTOCOLS] == [["down", "up"]] * len(PROTOCOLS)
    assert not load.lost


def test_stopped_dovecot_costs_no_login_and_gets_its_share_afterwards(site: Site, load: Load) -> None:
    site.until_served("d2")
    site.dovecots["d2"].pause()
    try:
        reasons = site.until_all("d2", "down", DOWN_SECONDS)
    finally:
        site.dovecots["d2"].resume()
    site.until_all("d2", "up", UP_SECONDS)
    site.until_served("d2")
    assert all(re.search(r"within [\d.]+ s", reason) for reason in reasons.values()), reasons
    assert [site.states("d2", protocol) for protocol in PROTOCOLS] == [["down", "up"]] * len(PROTOCOLS)
    assert not load.lost


def test_dovecot_with_a_broken_auth_process_costs_no_login(site: Site, load: Load) -> None:
    with_login = ("imap", "pop3", "submission", "managesieve")
    site.until_served("d3")
    site.dovecots["d3"].break_auth()
    try:
        # A Dovecot tries to start it again less and less often, and lets clients wait in the meantime.
        reasons = site.until_all("d3", "down", DOWN_SECONDS, with_login)
    finally:
        site.dovecots["d3"].mend_auth()
    site.until_all("d3", "up", UP_SECONDS, with_login)
    site.until_served("d3")
    assert all(re.search(r"Auth process broken|within [\d.]+ s", reason) for reason in reasons.values()), reasons
    assert site.states("d3", "lmtp") == []  # it greets all the same
    assert not load.lost


def test_restarted_dovecot_costs_no_login_and_gets_its_share_afterwards(site: Site, load: Load) -> None:
    site.until_served("d1")
    site.dovecots["d1"].restart()
    site.until_served("d1")
    # It may have been down for so short that no third check failed.
    ups_and_downs = {protocol: site.states("d1", protocol) for protocol in PROTOCOLS}
    assert all(states in ([], ["down", "up"]) for states in ups_and_downs.values()), ups_and_downs
    assert not load.lost


def test_lmtp_may_be_down_while_the_rest_is_up(site: Site, load: Load) -> None:
    others = tuple(protocol for protocol in PROTOCOLS if protocol != "lmtp")
    site.dovecots["d1"].stop_listening("lmtp")
    try:
        site.until_all("d1", "down", DOWN_SECONDS, ("lmtp",))
        site.until_served("d1", others)
        before = site.served("d1", "lmtp")
        site.until_served("d2", ("lmtp",))
        assert site.served("d1", "lmtp") == before
    finally:
        site.dovecots["d1"].listen_again()
    site.until_all("d1", "up", UP_SECONDS, ("lmtp",))
    assert [site.states("d1", protocol) for protocol in others] == [[]] * len(others)
    assert not load.lost


def test_session_at_a_dovecot_that_is_stopped_gets_a_goodbye(site: Site, pki: Certificates) -> None:
    with connect_tls(site.ports["imap"], pki.client()) as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        assert imap.select("INBOX")[0] == "OK"
        name = until(lambda: site.server_of(connection.getsockname()[1]), "the login in a Dovecot's log")
        site.dovecots[name].pause()
        try:
            until_change(site.front, server=name, protocol="imap", state="down")
            assert imap.readline().startswith(b"* BYE")
            assert imap.readline() == b""
        finally:
            site.dovecots[name].resume()


@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol != "lmtp"])
def test_check_costs_dovecots_log_one_line(site: Site, protocol: str) -> None:
    dovecot = site.dovecots["d1"]
    begin = len(dovecot.log)

    def lines() -> list[str]:
        # Lines about logins of the test before may still come.
        new = (line for line in dovecot.log[begin:].splitlines() if f" {protocol}-login" in line)
        return [line for line in new if f"user=<{USER}>" not in line]

    until(lambda: len(lines()) > 5, "checks in the log")
    enough = lines()
    assert all(re.search(r"\(no auth attempts in \d+ secs\)", line) for line in enough), enough
    ports = [re.findall(r" rport=<(\d+)>", line) for line in enough]
    assert len({port for (port,) in ports}) == len(enough)  # each of another connection
