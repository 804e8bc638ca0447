"""Bans: refused by all processes, over restarts, and by the address in a PROXY header; refused logins of Dovecot."""

from __future__ import annotations

import contextlib
import imaplib
import os
import poplib
import signal
import smtplib
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mailproxy.bans.local_api import MAX_BYTES
from tests.interop.admin import Ctl, with_admin
from tests.interop.certificates import Certificates
from tests.interop.clients import (
    Imap,
    Lmtp,
    ManageSieve,
    Pop3,
    SieveRefused,
    Submission,
    connect,
    connect_tls,
    read_line,
)
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.dovecot import PROTOCOLS, USER, Dovecot
from tests.interop.front import RUN, Front, frontend, single
from tests.interop.local_api import KEY, LocalApi, serving
from tests.interop.ports import free_port
from tests.interop.process import is_alive
from tests.interop.recorder import GREETING, Recorder, echo
from tests.interop.timing import limit, seconds_of
from tests.interop.waiting import SLACK_SECONDS, until

BANNED, OTHER = "127.0.0.66", "127.0.0.67"
WORKERS = 2
MANY = 100_000
HELD_UP_SECONDS = 1.0  # the whole answer takes several
TIMES = 20  # so often that each worker has accepted


@pytest.fixture
def backend(recorder: StartRecorder) -> Recorder:
    return recorder(echo())


@pytest.fixture
def ctl(folder: Path) -> Ctl:
    return Ctl(folder / "admin.sock")


class Service:
    """A front with a file of bans, which is started again and again."""

    def __init__(self, start: StartFront, pki: Certificates, backend: Recorder, ctl: Ctl, folder: Path) -> None:
        self._start = start
        self._pki = pki
        configuration, self.port = single(pki.server_ec, backend.port)
        self.file = folder / "bans.json"
        self.configuration: dict[str, Any] = {**with_admin(configuration, ctl.path), "bans": {"file": str(self.file)}}
        self.ctl = ctl

    def start(self, **more: Any) -> Front:
        return self._start({**more, **self.configuration})

    def serves(self, source: str) -> bool:
        """Whether a client from an address gets the server's greeting."""
        with contextlib.suppress(OSError), connect_tls(self.port, self._pki.client(), source) as connection:
            return read_line(connection) == GREETING
        return False

    def refuses(self, source: str) -> bool:
        """Whether all of many clients from an address are closed."""
        return not any(self.serves(source) for _ in range(TIMES))


@pytest.fixture
def service(front: StartFront, pki: Certificates, backend: Recorder, ctl: Ctl, folder: Path) -> Service:
    return Service(front, pki, backend, ctl, folder)


@pytest.mark.parametrize("workers", [0, WORKERS])
def test_banned_client_is_refused_by_all_processes(service: Service, workers: int) -> None:
    running = service.start(workers=workers)
    assert service.serves(BANNED)
    assert service.ctl.output(f"ban {BANNED} 1h guessing") == f"{BANNED} is banned for 1h\n"
    service.ctl.settle()
    assert service.refuses(BANNED)
    assert service.serves(OTHER)
    (row,) = service.ctl.rows("show bans")
    assert (row["network"], row["origin"], row["reason"]) == (BANNED, "ctl", "guessing")
    line = running.event(event="rejected")
    assert (line["gate"], line["reason"]) == ("banned", "banned by ctl: guessing")
    service.ctl.output(f"unban {BANNED}")
    service.ctl.settle()
    assert all(service.serves(BANNED) for _ in range(TIMES))
    assert service.ctl.run(f"unban {BANNED}").returncode == 1


@pytest.mark.parametrize(("network", "source"), [("127.0.7.0/24", "127.0.7.66"), ("::/112", "::1")])
def test_clients_of_a_banned_network_are_refused_until_it_is_unbanned(
    service: Service, network: str, source: str
) -> None:
    service.configuration["frontend"]["front"]["bind"] = [f"127.0.0.1:{service.port}", f"[::1]:{service.port}"]
    service.start(workers=WORKERS)
    assert service.serves(source)
    service.ctl.output(f"ban {network} 1h")
    service.ctl.settle()
    assert service.refuses(source)
    assert service.serves(OTHER)
    service.ctl.output(f"unban {network}")
    service.ctl.settle()
    assert all(service.serves(source) for _ in range(TIMES))


def test_ban_ends_after_its_time(service: Service) -> None:
    service.start(workers=WORKERS)
    service.ctl.rows(f"ban {BANNED} 8s")
    service.ctl.settle()
    assert not service.serves(BANNED)
    until(lambda: service.serves(BANNED), "the end of the ban")


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
def test_bans_survive_a_restart(service: Service, ends_by: signal.Signals) -> None:
    running = service.start(workers=WORKERS)
    service.ctl.output(f"ban {BANNED}/32 1h")
    if ends_by == signal.SIGKILL:
        until(lambda: service.file.exists() and BANNED in service.file.read_text(), "the file of bans")
        family = running.process.family()
        running.process.send(ends_by)
        running.was_ended(-ends_by)
        running.wait()
        # Its workers see that it has ended, and stop listening.
        until(lambda: not any(is_alive(pid) for pid in family), "the end of all processes")
    else:
        running.terminate()
        running.wait()
    service.start(workers=WORKERS)
    assert service.refuses(BANNED)
    assert service.serves(OTHER)


def test_worker_that_replaces_another_knows_the_bans(service: Service) -> None:
    running = service.start(workers=1)
    service.ctl.output(f"ban {BANNED}")
    service.ctl.settle()
    assert not service.serves(BANNED)
    os.kill(running.event(event="worker")["pid"], signal.SIGKILL)
    until(lambda: service.serves(OTHER), "another worker")
    assert service.refuses(BANNED)


def test_list_of_networks_is_followed(service: Service, folder: Path) -> None:
    drop = folder / "drop.txt"
    drop.write_text(f"# nobody from here\n{BANNED}/32 ; SBL1\n")
    os.utime(drop, (1e9, 1e9))
    service.configuration["bans"]["lists"] = [f"@{drop}"]
    running = service.start(workers=WORKERS, watch="1s")
    assert service.refuses(BANNED)
    drop.write_text(f"{OTHER}/32\n")
    os.utime(drop, (1e9 + 1, 1e9 + 1))
    until(lambda: service.serves(BANNED) and not service.serves(OTHER), "the changed list")
    drop.write_text("192.0.2\n")
    os.utime(drop, (1e9 + 2, 1e9 + 2))
    running.event(event="list-refused")
    service.ctl.settle()
    assert service.refuses(OTHER)
    assert running.event(event="rejected")["reason"] == f"banned by the list {drop}"


def test_bans_of_half_the_internet_are_in_effect_and_reported(service: Service, folder: Path) -> None:
    drop = folder / "drop.txt"
    drop.write_text("".join(f"{number}.0.0.0/8\n" for number in range(1, 127)))
    os.utime(drop, (1e9, 1e9))
    service.configuration["bans"]["lists"] = [f"@{drop}"]
    running = service.start(workers=1, watch="1s")
    words = f"list {drop} bans 49 % of all IPv4 addresses (2113929216); "
    assert running.event(event="warning")["warning"].startswith(words)
    assert service.serves(OTHER)
    for number in range(130, 200):
        service.ctl.rows(f"ban {number}.0.0.0/8")
    found = running.event(event="bans-broad")
    assert found["subject"] == "bans by ctl"
    assert found["problem"].startswith("refuse 27 % of all IPv4 addresses (1174405120); ")
    broad = service.ctl.rows("show info")[0]["bans_broad"]
    assert [one.partition(":")[0] for one in broad] == [f"list {drop}", "bans by ctl"]
    drop.write_text(drop.read_text() + "200.0.0.0/8\n")
    os.utime(drop, (1e9 + 1, 1e9 + 1))
    until(lambda: len(running.events(event="bans-broad")) == 2, "what is said of the changed list")


def test_rule_bans_in_all_workers(service: Service) -> None:
    rule = {"name": "scanner", "if": {"source": [BANNED]}, "ban": "1h"}
    service.configuration["frontend"]["front"]["rule"] = [rule]
    running = service.start(workers=WORKERS)
    assert not service.serves(BANNED)
    until(lambda: service.ctl.rows("show bans"), "the ban")
    (row,) = service.ctl.rows("show bans")
    assert (row["network"], row["origin"], row["reason"]) == (BANNED, "rule", "rule scanner of frontend front")
    service.ctl.settle()
    assert service.refuses(BANNED)
    running.event(event="rejected", gate="banned")


def test_client_that_a_rule_banned_gets_in_after_its_unban(service: Service) -> None:
    rule = {"name": "flood", "if": {"source-rate": {"over": f"{TIMES}/10m"}}, "ban": "1h"}
    service.configuration["frontend"]["front"]["rule"] = [rule]
    service.start(workers=WORKERS)
    assert all(service.serves(BANNED) for _ in range(TIMES))
    assert not service.serves(BANNED)
    until(lambda: service.ctl.rows("show bans"), "the ban")
    assert service.ctl.output(f"unban {BANNED}").startswith(
        f"{BANNED} is not banned any more (it was by rule), and its"
    )
    service.ctl.settle()
    assert all(service.serves(BANNED) for _ in range(TIMES // 2))
    assert service.ctl.rows("show bans") == []


def test_rules_may_say_what_happens_to_banned_clients(service: Service, pki: Certificates) -> None:
    rule = {"if": {"banned": True}, "refuse": "you are banned"}
    service.configuration["frontend"]["front"]["rule"] = [rule]
    service.start()
    service.ctl.output(f"ban {BANNED}")
    with connect_tls(service.port, pki.client(), BANNED) as connection:
        assert b"you are banned" in read_line(connection)
    assert service.serves(OTHER)


def test_broken_file_is_one_line_and_the_service_starts(service: Service) -> None:
    service.file.write_text('{"version": 1, "bans": [')
    running = service.start()
    (event,) = running.all_events(event="bans-unusable")
    assert event["level"] == "error"
    assert service.serves(BANNED)
    assert Path(f"{service.file}.broken").read_text() == '{"version": 1, "bans": ['


def test_takeover_keeps_the_newest_bans(service: Service, front: StartFront, folder: Path) -> None:
    running = service.start()
    service.ctl.output(f"ban {BANNED}")  # and at once, before it is written by itself
    running.was_ended()
    front(service.configuration, command=(*RUN[:-1], "--take-over", "-c"))
    assert service.refuses(BANNED)
    running.wait()


def test_client_in_a_header_is_banned_and_its_proxy_is_not(
    front: StartFront, pki: Certificates, backend: Recorder, ctl: Ctl
) -> None:
    configuration, port = single(pki.server_ec, backend.port, accept_proxy=["127.0.0.0/8"], tls="none")
    running = front(with_admin(configuration, ctl.path))
    ctl.output("ban 192.0.2.0/24")
    ctl.output("ban 127.0.0.1")
    for address, greeting in (("192.0.2.7", b""), ("198.51.100.7", GREETING)):
        with connect(port) as connection:
            connection.sendall(f"PROXY TCP4 {address} 203.0.113.1 4000 143\r\n".encode())
            assert read_line(connection) == greeting
    line = running.session(("192.0.2.7", 4000))
    assert (line["termination"], line["reason"]) == ("PR", "banned by ctl")


def test_kick_ends_sessions_in_all_workers(service: Service, pki: Certificates) -> None:
    service.start(workers=WORKERS)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect_tls(service.port, pki.client(), BANNED)) for _ in range(TIMES)]
        other = stack.enter_context(connect_tls(service.port, pki.client(), OTHER))
        for connection in (*connections, other):
            assert read_line(connection) == GREETING
        service.ctl.output(f"ban {BANNED} kick")
        for connection in connections:
            while connection.recv(4096):
                pass
        other.sendall(b"a NOOP\r\n")
        assert read_line(other) == b"a NOOP\r\n"


# CrowdSec.


@pytest.fixture
def key_file(folder: Path) -> Path:
    file = folder / "crowdsec.key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    return file


def follow(service: Service, api: LocalApi, key_file: Path, interval: str = "1s") -> None:
    """Let the service follow an API."""
    service.configuration["bans"]["crowdsec"] = {
        "url": f"http://127.0.0.1:{api.port}/",
        "key-file": str(key_file),
        "interval": interval,
    }


def test_decisions_of_crowdsec_are_followed(service: Service, key_file: Path) -> None:
    with serving(LocalApi()) as api:
        api.decide(BANNED, "192.0.2.0/24")
        api.decide("198.51.100.7", type="captcha")
        follow(service, api, key_file)
        running = service.start(workers=WORKERS)
        until(lambda: not service.serves(BANNED), "the first decisions")
        service.ctl.settle()
        assert service.refuses(BANNED)
        api.decide(OTHER)
        until(lambda: not service.serves(OTHER), "a new decision")
        api.delete(BANNED)
        until(lambda: service.serves(BANNED), "a deleted decision")
        assert {row["network"] for row in service.ctl.rows("show bans origin crowdsec")} == {OTHER, "192.0.2.0/24"}
        assert [all for all, _ in api.requests].count(True) == 1
        assert running.event(event="crowdsec")["new"] == 2


def test_decision_is_in_effect_within_ten_seconds(service: Service, key_file: Path) -> None:
    with serving(LocalApi()) as api:
        follow(service, api, key_file, "10s")
        service.start(workers=WORKERS)
        until(lambda: api.requests, "the first request")
        began = time.monotonic()
        api.decide(BANNED)
        until(lambda: not service.serves(BANNED), "the decision")
        assert time.monotonic() - began < 10.0 + SLACK_SECONDS


def test_decisions_stay_while_crowdsec_is_away(service: Service, key_file: Path) -> None:
    api = LocalApi()
    with serving(api):
        api.decide(BANNED)
        follow(service, api, key_file)
        running = service.start()
        until(lambda: not service.serves(BANNED), "the decision")
        # The next request comes in a second: none is under way when the API goes.
        answered = len(api.requests)
        until(lambda: len(api.requests) > answered, "a request")
    running.event(event="crowdsec-failed")
    assert service.refuses(BANNED)
    api.decide(OTHER)
    answered = len(api.requests)
    with serving(api):
        running.event(event="crowdsec-answers")
        assert api.requests[answered] == (True, 200)
        assert service.refuses(OTHER)
    (event,) = running.all_events(event="crowdsec-failed")
    assert event["reason"] == "Connection refused"


def test_decisions_survive_a_restart_without_crowdsec(service: Service, key_file: Path) -> None:
    with serving(LocalApi()) as api:
        api.decide(BANNED)
        follow(service, api, key_file)
        running = service.start()
        until(lambda: not service.serves(BANNED), "the decision")
        running.terminate()
        running.wait()
    service.start()
    assert service.refuses(BANNED)


def test_wrong_key_is_reported_and_may_be_replaced(service: Service, key_file: Path) -> None:
    key_file.write_text("wrong\n")
    with serving(LocalApi()) as api:
        api.decide(BANNED)
        follow(service, api, key_file)
        running = service.start()
        assert running.event(event="crowdsec-failed")["reason"] == (
            f"HTTP status 403: the key in {key_file} is not valid there; `cscli bouncers add mailproxy` makes one"
        )
        key_file.write_text(f"{KEY}\n")
        until(lambda: not service.serves(BANNED), "the decision")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"<html>", "the answer is wrong: it is not the JSON of the API: no '{' at character 0"),
        (b" " * (MAX_BYTES + 1), f"more than {MAX_BYTES} bytes"),
    ],
    ids=["not JSON", "too long"],
)
def test_wrong_answer_is_reported(service: Service, key_file: Path, raw: bytes, reason: str) -> None:
    with serving(LocalApi()) as api:
        api.raw = raw
        follow(service, api, key_file)
        running = service.start()
        assert running.event(event="crowdsec-failed")["reason"] == reason
        assert service.serves(BANNED)


def test_reload_without_crowdsec_ends_its_decisions(service: Service, key_file: Path) -> None:
    with serving(LocalApi()) as api:
        api.decide(BANNED)
        follow(service, api, key_file)
        running = service.start(workers=WORKERS)
        until(lambda: not service.serves(BANNED), "the decision")
        del service.configuration["bans"]["crowdsec"]
        running.reload({"workers": WORKERS, **service.configuration})
        until(lambda: service.serves(BANNED), "the end of the decision")


def test_hundred_thousand_decisions_hold_no_session_up(service: Service, pki: Certificates, key_file: Path) -> None:
    api = LocalApi()
    values = [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(MANY)]
    api.decide(*values, BANNED)
    # Made before, and in one process with the client: it would hold that up.
    made = api.stream(has_all=True)
    with serving(api):
        api.raw = b"{}"
        follow(service, api, key_file)
        running = service.start()
        with connect_tls(service.port, pki.client(), OTHER) as connection:
            assert read_line(connection) == GREETING

            def speak() -> None:
                connection.sendall(b"a NOOP\r\n")
                assert read_line(connection) == b"a NOOP\r\n"

            longest = limit(HELD_UP_SECONDS, speak)
            api.raw = made
            slowest = 0.0
            while not running.events(event="crowdsec"):
                slowest = max(slowest, seconds_of(speak))
        assert running.event(event="crowdsec")["new"] == MANY + 1
        assert service.refuses(BANNED)
        print(f"slowest round trip: {slowest * 1000:.0f} ms")
        assert slowest < longest


# Refused logins.


def _fail_imap(connection: socket.socket) -> None:
    imap = Imap(connection)
    for _ in range(2):
        with pytest.raises(imaplib.IMAP4.error):
            imap.login(USER, "wrong")
    imap.logout()


def _fail_pop3(connection: socket.socket) -> None:
    pop3 = Pop3(connection)
    for _ in range(2):
        pop3.user(USER)
        with pytest.raises(poplib.error_proto):
            pop3.pass_("wrong")
    pop3.quit()


def _fail_submission(connection: socket.socket) -> None:
    smtp = Submission(connection)
    smtp.ehlo()
    smtp.user, smtp.password = USER, "wrong"
    for _ in range(2):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.auth("PLAIN", smtp.auth_plain)  # login() would try other mechanisms as well
    smtp.quit()


def _fail_managesieve(connection: socket.socket) -> None:
    sieve = ManageSieve(connection)
    for _ in range(2):
        with pytest.raises(SieveRefused):
            sieve.authenticate(USER, "wrong")
    sieve.logout()


def _deliver(connection: socket.socket) -> None:
    lmtp = Lmtp(connection)
    lmtp.sendmail("bob@example.org", [USER], b"Subject: 535 5.7.8 Authentication failed\r\n\r\n535 5.7.8\r\n")
    lmtp.quit()


# The failed logins of one address slow a Dovecot's answers to all its later ones.
ADDRESSES = {protocol: f"127.0.0.{71 + number}" for number, protocol in enumerate(PROTOCOLS)}
GUESSER = "127.0.0.81"
GUESSES = {"auth-failures-per-session": 3}

FAILURES: Mapping[str, tuple[Callable[[socket.socket], None], int]] = {
    "imap": (_fail_imap, 2),
    "pop3": (_fail_pop3, 2),
    "submission": (_fail_submission, 2),
    "managesieve": (_fail_managesieve, 2),
    "lmtp": (_deliver, 0),
}


@pytest.fixture(scope="module")
def dovecot_front(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> tuple[Front, Mapping[str, int]]:
    """One mailproxy with a frontend for each protocol before one Dovecot, and their ports."""
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    running = module_front(
        {
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {
                name: frontend(port, "dovecot", protocol=name, limits={} if name == "lmtp" else GUESSES)
                for name, port in ports.items()
            },
            "backend": {
                "dovecot": {
                    "profile": "dovecot",
                    "ports": dovecot.ports,
                    "server": {"d1": {"address": "127.0.0.1"}},
                }
            },
        }
    )
    return running, ports


@pytest.mark.parametrize("protocol", FAILURES)
def test_refused_logins_of_dovecot_are_counted(
    dovecot_front: tuple[Front, Mapping[str, int]], pki: Certificates, protocol: str
) -> None:
    running, ports = dovecot_front
    fail, count = FAILURES[protocol]
    with connect_tls(ports[protocol], pki.client(), ADDRESSES[protocol]) as connection:
        client = connection.getsockname()
        fail(connection)
    assert running.session(client).get("auth_failures", 0) == count


def test_guesser_at_dovecot_gets_three_refusals_and_a_goodbye(
    dovecot_front: tuple[Front, Mapping[str, int]], pki: Certificates
) -> None:
    running, ports = dovecot_front
    with connect_tls(ports["imap"], pki.client(), GUESSER) as connection, connection.makefile("rb") as lines:
        client = connection.getsockname()
        assert lines.readline().startswith(b"* OK")
        for tag in (b"a", b"b", b"c"):
            connection.sendall(tag + b" LOGIN " + USER.encode() + b" wrong\r\n")
            assert lines.readline().startswith(tag + b" NO [AUTHENTICATIONFAILED]")
        assert lines.read() == b"* BYE [UNAVAILABLE] Too many failed logins, try again later\r\n"
    line = running.session(client)
    assert (line["termination"], line["auth_failures"]) == ("PD", 3)


def test_successful_login_of_dovecot_counts_nothing(
    dovecot_front: tuple[Front, Mapping[str, int]], pki: Certificates
) -> None:
    running, ports = dovecot_front
    with connect_tls(ports["imap"], pki.client()) as connection:
        client = connection.getsockname()
        imap = Imap(connection)
        imap.login(USER, "secret")
        letter = b"Subject: x\r\n\r\na NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"
        imap.append("INBOX", "", "", letter)
        imap.select("INBOX")
        imap.fetch("1:*", "(RFC822)")
        imap.logout()
    assert "auth_failures" not in running.session(client)
