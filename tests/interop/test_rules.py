"""Rules with real clients and servers: routing, refusals, the tarpit, TLVs, lists that change, and the explanation."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.interop import headers
from tests.interop.admin import Ctl, with_admin
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import Imap, Pop3, connect, connect_tls
from tests.interop.conftest import StartFront, StartRecorder, short_folder
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.front import Front, backend, frontend
from tests.interop.ports import free_port
from tests.interop.recorder import echo
from tests.interop.server import until_end
from tests.interop.waiting import PATIENCE_SECONDS, until

TENANT = "tenant.example"
OFFICE, LISTED = "127.0.0.71", "127.0.0.72"
DENIED, SLOW, CLOSED = "127.0.0.81", "127.0.0.82", "127.0.0.83"
OTHERS = "127.0.0.91"
TARPIT = 2.0

RULES: Sequence[Mapping[str, Any]] = (
    {"name": "closed", "if": {"source": CLOSED}, "refuse": "close"},
    {"name": "denied", "if": {"source": DENIED}, "refuse": "permanent: blocked, see http://example.org/"},
    {"name": "slow", "if": {"source": SLOW}, "refuse": "temporary", "tarpit": f"{TARPIT:.0f}s"},
    {"name": "office", "if": {"source": [OFFICE, "@office.txt"]}, "backend": "d2", "label": "office"},
    {"name": "tenant", "if": {"sni": f"*.{TENANT}", "tls-version": "1.3"}, "backend": "d3"},
)


class Site:
    """A front with rules before three Dovecots, of which the first has the usual clients."""

    def __init__(self, start: StartFront, pki: Certificates, dovecots: Mapping[str, Dovecot], folder: Path) -> None:
        self.pki = pki
        self.dovecots = dovecots
        self.lists = folder / "office.txt"
        self.lists.write_text("192.0.2.0/24\n")
        self.ctl = Ctl(folder / "admin.sock")
        self.imaps, self.pop3 = free_port(), free_port()
        rules = [
            dict(rule, **{"if": rule["if"] | {"source": [OFFICE, f"@{self.lists}"]}})
            if rule["name"] == "office"
            else dict(rule)
            for rule in RULES
        ]
        self.front: Front = start(
            with_admin(
                {
                    "watch": "1s",
                    "tls": {"default": {"certificates": [str(pki.server_ec)]}},
                    "frontend": {
                        "imaps": frontend(self.imaps, "d1", rule=rules),
                        "pop3": frontend(self.pop3, "d1", protocol="pop3", tls="starttls", rule=rules),
                    },
                    "backend": {name: self._backend(dovecot) for name, dovecot in dovecots.items()},
                },
                self.ctl.path,
            )
        )

    def _backend(self, dovecot: Dovecot) -> dict[str, Any]:
        server = {"only": {"address": dovecot.host}}
        return backend(0, profile="dovecot", ports=dovecot.ports, server=server)

    def login(self, source: str, server_name: str = SERVER_NAME) -> tuple[str, Mapping[str, Any]]:
        """Log in by IMAP; return the Dovecot that had the login, and the log line."""
        context = self.pki.client()
        context.check_hostname = server_name == SERVER_NAME
        with connect_tls(self.imaps, context, source, server_name=server_name) as connection:
            imap = Imap(connection)
            imap.login(USER, PASSWORD)
            client = connection.getsockname()[:2]
            imap.logout()
        event = self.front.session(client)
        self.dovecots[event["backend"]].login("imap", client)
        return event["backend"], event

    def received(self, source: str) -> tuple[bytes, Mapping[str, Any]]:
        """What a client of IMAP over TLS receives until the end, and the log line."""
        with connect_tls(self.imaps, self.pki.client(), source) as connection:
            client = connection.getsockname()[:2]
            received = until_end(connection)
        return bytes(received), self.front.session(client)

    def explained(self, facts: str, name: str = "imaps") -> list[str]:
        """What ``check --explain`` says."""
        command = [sys.executable, "-m", "mailproxy", "check", "-c", str(self.front.file), "--explain", name, facts]
        root = str(Path(__file__).resolve().parents[2])
        search = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, "PYTHONPATH": search},
        )
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def site(module_front: StartFront, pki: Certificates, dovecots: Mapping[str, Dovecot]) -> Iterator[Site]:
    with short_folder() as folder:
        yield Site(module_front, pki, dovecots, folder)


def test_usual_client_has_the_frontends_backend(site: Site) -> None:
    backend, event = site.login(OTHERS)
    assert (backend, "rule" in event) == ("d1", False)


def test_client_is_routed_by_its_address(site: Site) -> None:
    backend, event = site.login(OFFICE)
    assert (backend, event["rule"], event["label"]) == ("d2", "office", "office")
    assert site.explained(f"source={OFFICE}")[-1] == "decision: rule office: backend d2; label office"


def test_client_is_routed_by_the_name_it_asks_for(site: Site) -> None:
    name = f"mail.{TENANT.upper()}"
    backend, event = site.login(OTHERS, name)
    assert (backend, event["rule"]) == ("d3", "tenant")
    assert site.explained(f"source={OTHERS} sni={name} tls-version=1.3")[-1] == "decision: rule tenant: backend d3"


def test_client_is_refused_in_words_of_the_rule(site: Site) -> None:
    received, event = site.received(DENIED)
    assert received == b"* BYE [NOPERM] blocked, see http://example.org/\r\n"
    assert (event["termination"], event["rule"], "backend" in event) == ("PR", "denied", False)
    assert site.explained(f"source={DENIED}")[-1].startswith("decision: rule denied: refused, permanent: blocked")


def test_client_of_pop3_is_refused_before_starttls(site: Site) -> None:
    with connect(site.pop3, DENIED) as connection:
        assert until_end(connection) == b"-ERR [SYS/PERM] blocked, see http://example.org/\r\n"


def test_client_of_pop3_is_routed_after_stls(site: Site) -> None:
    with connect(site.pop3, OFFICE) as connection:
        client = connection.getsockname()[:2]
        pop3 = Pop3(connection)
        pop3.stls(context=site.pki.client())
        pop3.user(USER)
        pop3.pass_(PASSWORD)
        pop3.quit()
    assert site.front.session(client)["backend"] == "d2"


def test_closed_client_costs_no_handshake(site: Site) -> None:
    with connect(site.imaps, CLOSED) as connection:
        assert until_end(connection) == b""
        client = connection.getsockname()[:2]
    event = site.front.session(client)
    assert (event["termination"], event["rule"], "tls" in event) == ("PR", "closed", False)


def test_tarpit_makes_the_client_wait_before_tls(site: Site) -> None:
    began = time.monotonic()
    received, event = site.received(SLOW)
    assert time.monotonic() - began >= TARPIT
    assert received.startswith(b"* BYE [UNAVAILABLE]")
    assert event["handshake_ms"] >= TARPIT * 1000


def test_changed_list_is_used_without_a_reload(site: Site) -> None:
    assert site.login(LISTED)[0] == "d1"
    site.lists.write_text(f"# now with one more\n{LISTED}\n")
    site.front.event(event="list", networks=1)  # it is read again
    assert site.login(LISTED)[0] == "d2"
    site.lists.write_text("10.0.0.1/8\n")
    line = site.front.event(event="list-refused")
    assert line["problem"].startswith(f'{site.lists}:1: is "10.0.0.1/8", which has bits beyond the prefix')
    assert site.login(LISTED)[0] == "d2"


def test_clients_of_each_rule_are_shown(site: Site) -> None:
    before = {row["rule"]: row["clients"] for row in site.ctl.rows("show rules") if row["frontend"] == "imaps"}
    assert list(before) == ["closed", "denied", "slow", "office", "tenant"]
    site.login(OFFICE)
    after = {row["rule"]: row["clients"] for row in site.ctl.rows("show rules") if row["frontend"] == "imaps"}
    assert after == before | {"office": before["office"] + 1}


def test_session_shows_its_rule(site: Site) -> None:
    with connect_tls(site.imaps, site.pki.client(), OFFICE) as connection:
        connection.recv(4096)
        (row,) = site.ctl.rows("show sessions client 127.0.0.71")
        assert (row["rule"], row["label"], row["backend"]) == ("office", "office", "d2")


@pytest.mark.parametrize("workers", [0, 2])
def test_server_gets_the_tlv(front: StartFront, recorder: StartRecorder, pki: Certificates, workers: int) -> None:
    recorded = recorder(echo())
    port = free_port()
    rule = {"name": "tenant", "if": {"sni": f"*.{TENANT}"}, "tlv": {"type": 0xE5, "value": "tenant 7"}}
    front(
        {
            "workers": workers,
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {"imaps": frontend(port, "recorder", rule=[rule])},
            "backend": {"recorder": backend(recorded.port)},
        }
    )
    context = pki.client()
    context.check_hostname = False
    for name, value in ((f"a.{TENANT}", b"tenant 7"), (SERVER_NAME, None)):
        with connect_tls(port, context, server_name=name) as connection:
            connection.recv(4096)
        assert headers.parse(recorded.next().header).get(0xE5) == value


def test_workers_have_the_lists_and_count_together(
    front: StartFront, recorder: StartRecorder, pki: Certificates, folder: Path
) -> None:
    recorded = recorder(echo())
    port = free_port()
    office = folder / "office.txt"
    office.write_text("192.0.2.0/24\n")
    ctl = Ctl(folder / "admin.sock")
    running = front(
        with_admin(
            {
                "workers": 2,
                "watch": "1s",
                "frontend": {
                    "imap": frontend(
                        port,
                        "recorder",
                        tls="none",
                        rule=[{"name": "office", "if": {"source": f"@{office}"}, "refuse": "temporary"}],
                    )
                },
                "backend": {"recorder": backend(recorded.port)},
            },
            ctl.path,
        )
    )
    with connect(port) as connection:
        assert connection.recv(4096).startswith(b"* OK recorder")
    office.write_text("127.0.0.0/8\n")
    running.event(event="list", networks=1)  # it is read again
    ctl.settle()
    clients = 12

    def is_refused() -> bool:
        with connect(port) as connection:
            return bool(until_end(connection).startswith(b"* BYE [UNAVAILABLE]"))

    assert all(is_refused() for _ in range(clients))
    until(lambda: ctl.rows("show rules")[0]["clients"] == clients, "all workers' counts")


def test_reload_changes_rules_for_later_clients(front: StartFront, recorder: StartRecorder) -> None:
    recorded = recorder(echo())
    port = free_port()

    def configuration(**rule: Any) -> dict[str, Any]:
        return {
            "frontend": {"imap": frontend(port, "recorder", tls="none", rule=[{"name": "all", "label": "x"} | rule])},
            "backend": {"recorder": backend(recorded.port)},
        }

    running = front(configuration())
    with connect(port) as previous, connect(port) as connection:
        assert previous.recv(4096) == connection.recv(4096)
        running.reload(configuration(refuse="permanent"))
        assert running.events(event="change", change="~ frontend imap: rule all changed")
        with connect(port) as later:
            assert until_end(later) == b"* BYE [NOPERM] Access denied\r\n"
        previous.sendall(b"still here")
        assert previous.recv(4096) == b"still here"
    running.write(configuration(refuse="permanent", **{"if": {"source": "@missing.txt"}}))
    running.process.send(signal.SIGHUP)
    running.event(event="reload-refused")
    assert "missing.txt: cannot be read: No such file or directory" in running.event(event="problem")["problem"]
    with connect(port) as later:
        assert until_end(later) == b"* BYE [NOPERM] Access denied\r\n"


def test_bandwidth_is_limited(front: StartFront, recorder: StartRecorder, pki: Certificates) -> None:
    size = 1024 * 1024
    recorded = recorder(echo())
    port = free_port()
    front(
        {
            "tls": {"default": {"certificates": [str(pki.server_ec)]}},
            "frontend": {"imaps": frontend(port, "recorder", rule=[{"bandwidth": "256KiB/s"}])},
            "backend": {"recorder": backend(recorded.port)},
        }
    )
    with connect_tls(port, pki.client()) as connection:
        connection.recv(4096)
        began = time.monotonic()
        connection.sendall(b"x" * size)
        received = 0
        while received < size:
            received += len(connection.recv(65536))
        # A second's worth of bytes may come at once, and what one event has read.
        assert time.monotonic() - began >= 1.9


def test_rule_counts_and_bans_the_address(front: StartFront, recorder: StartRecorder, folder: Path) -> None:
    recorded = recorder(echo())
    counting, judging = free_port(), free_port()
    ctl = Ctl(folder / "admin.sock")
    floods = {"name": "floods", "if": {"source-rate": {"over": "3/1m"}}, "ban": "10m"}
    banned = {"name": "banned", "if": {"banned": True}, "refuse": "temporary: you are banned"}
    running = front(
        with_admin(
            {
                "frontend": {
                    "counting": frontend(counting, "recorder", tls="none", rule=[floods]),
                    "judging": frontend(judging, "recorder", tls="none", rule=[banned]),
                },
                "backend": {"recorder": backend(recorded.port)},
            },
            ctl.path,
        )
    )
    for _ in range(3):
        with connect(counting, OTHERS) as connection:
            assert connection.recv(4096).startswith(b"* OK recorder")
    with connect(counting, OTHERS) as connection:
        assert until_end(connection) == b""
    (row,) = ctl.rows("show bans")
    assert (row["network"], row["origin"]) == (OTHERS, "rule")
    with connect(counting, OTHERS) as connection:
        assert until_end(connection) == b""
    running.event(event="rejected", gate="banned")
    with connect(judging, OTHERS) as connection:
        assert until_end(connection) == b"* BYE [UNAVAILABLE] you are banned\r\n"
    with connect(judging, OFFICE) as connection:
        assert connection.recv(4096).startswith(b"* OK recorder")
