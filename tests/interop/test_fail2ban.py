"""The files in etc/fail2ban, with fail2ban from Debian."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailproxy.session.line import as_line
from tests.interop import peers
from tests.interop.admin import Ctl, with_admin
from tests.interop.certificates import Certificates
from tests.interop.clients import connect, connect_tls, read_line
from tests.interop.conftest import StartFront, StartRecorder
from tests.interop.front import single
from tests.interop.process import Process
from tests.interop.recorder import GREETING, Recorded
from tests.interop.waiting import until

ETC = Path(__file__).resolve().parents[2] / "etc" / "fail2ban"
FILTER = ETC / "filter.d" / "mailproxy.conf"
STAMP = "2026-11-21T04:12:31.870Z"
ATTACKER, OTHER = "127.0.0.66", "127.0.0.67"


def line(client: str = "192.0.2.7:40112", *, level: str = "info", **fields: Any) -> str:
    """A session's line as mailproxy writes it to standard output."""
    first = {"id": "642b1a5c3f01c-1f", "frontend": "imaps", "client": client}
    last = {"backend": "dovecot", "server": "d1", "bytes_in": 112, "bytes_out": 4711, "total_ms": 8114}
    end = {"termination": fields.pop("termination", "--"), "first_to_end": "server"}
    if "reason" in fields:
        end = {"termination": end["termination"], "reason": fields.pop("reason")}
    return f"{STAMP} {level} session {as_line(first | fields | last | end)}"


def banned(text: str, folder: Path, mode: str = "normal") -> list[str]:
    """The addresses that the filter finds in a log."""
    peers.need("fail2ban-regex")
    log = folder / "mailproxy.log"
    log.write_text(text + "\n")
    done = subprocess.run(
        [peers.path("fail2ban-regex"), "--usedns", "no", "--out", "ip", log, f"{FILTER}[mode={mode}]"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done  # 1: nothing was found
    assert "ERROR" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("client", "address"), [("192.0.2.7:40112", "192.0.2.7"), ("[2001:db8::7]:40112", "2001:db8::7")]
)
def test_refused_logins_are_found(client: str, address: str, folder: Path) -> None:
    assert banned(line(client, auth_failures=2), folder) == [address]


@pytest.mark.parametrize(
    "begin",
    [
        f"{STAMP} info mailproxy[4711]: ",
        f"{STAMP} warn mailproxy[4711]: ",
        "Nov 21 04:12:31 mx1 mailproxy[4711]: ",
        "2026-11-21T04:12:31.870123+00:00 mx1 mailproxy[4711]: ",
    ],
    ids=["file", "warning", "syslog", "rsyslog"],
)
def test_lines_of_all_targets_are_found(begin: str, folder: Path) -> None:
    words = line(auth_failures=1).removeprefix(f"{STAMP} info ")
    assert banned(begin + words, folder) == ["192.0.2.7"]


OTHERS = [
    line(),
    line(sni="mail.example.org", cn="alice"),
    f"{STAMP} info ready",
    f'{STAMP} info rejected frontend=imaps client=192.0.2.7:40112 gate=banned reason="banned by ctl"',
    "Nov 21 04:12:31 mx1 dovecot: imap-login: Aborted login (auth failed, 1 attempts): rip=192.0.2.7",
    "Nov 21 04:12:31 mx1 sshd[99]: Failed password for root from 192.0.2.7 port 40112 ssh2",
    "Nov 21 04:12:31 mx1 sshd[99]: Invalid user info session id=1 frontend=a client=192.0.2.7:1 auth_failures=9 x",
    "Nov 21 04:12:31 mx1 sshd[99]: Invalid user mailproxy[1]: session id=1 frontend=a client=192.0.2.7:1 "
    "auth_failures=9",
    f"{STAMP} info server d1 is down: session id=1 frontend=a client=192.0.2.7:1 auth_failures=9",
]


def test_other_lines_are_not_found(folder: Path) -> None:
    assert banned("\n".join(OTHERS), folder, "aggressive") == []


HOSTILE = [
    "auth_failures=9",
    "x auth_failures=9 termination=--",
    '" auth_failures=9 "',
    '\\" auth_failures=9 \\"',
    'x" session id=1 frontend=a client=198.51.100.9:1 auth_failures=9',
    f"\n{STAMP} info session id=1 frontend=a client=198.51.100.9:1 auth_failures=9",
    "client=198.51.100.9:1",
]


FOREIGN = ("sni", "cn", "alpn", "reason")


def test_value_of_a_client_is_no_field(folder: Path) -> None:
    lines = [line(**{field: value}) for field in FOREIGN for value in HOSTILE]
    assert banned("\n".join(lines), folder) == []


def test_value_of_a_client_hides_nothing_and_blames_nobody_else(folder: Path) -> None:
    values = [(field, value) for field in FOREIGN for value in HOSTILE]
    lines = [
        line(f"192.0.2.{number}:1", auth_failures=1, **{field: value}) for number, (field, value) in enumerate(values)
    ]
    assert banned("\n".join(lines), folder) == [f"192.0.2.{number}" for number in range(len(values))]


@pytest.mark.parametrize(
    ("reason", "level"),
    [
        ("wrong version number", "info"),
        ("PROXY header, and its address, 192.0.2.7, is not in accept-proxy", "warn"),
        ("bytes after STARTTLS", "info"),
    ],
)
def test_what_mailproxy_refuses_is_found_in_aggressive_mode_alone(reason: str, level: str, folder: Path) -> None:
    text = line(termination="PR", reason=reason, level=level)
    assert banned(text, folder) == []
    assert banned(text, folder, "aggressive") == ["192.0.2.7"]


SPARED = [
    line(termination="PR", reason="banned by ctl: spam"),
    line(termination="PR", reason="more than 50 connections at once"),
    line(termination="PR", reason="anything", rule="office"),
    line(termination="CR", reason="the client does not trust our certificate (unknown CA)"),
    line(termination="SC", reason="Connection refused"),
]


def test_clients_are_not_banned_for_a_ban_a_limit_a_rule_or_our_fault(folder: Path) -> None:
    assert banned("\n".join(SPARED), folder, "aggressive") == []


# The whole of it.


def _program(name: str) -> Path:
    return peers.path("fail2ban-regex").with_name(name)


def refuse_logins(recorded: Recorded) -> None:
    """A mail server that refuses each login."""
    recorded.socket.sendall(GREETING)
    while read_line(recorded.socket):
        recorded.socket.sendall(b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n")


@pytest.fixture
def fail2ban(folder: Path, ctl: Ctl) -> Iterator[Process]:
    """A fail2ban with one jail, which has the log of the front."""
    peers.need("fail2ban-regex")
    place = folder / "fail2ban"
    shutil.copytree(ETC, place)
    (place / "fail2ban.conf").write_text(
        "[Definition]\nloglevel = DEBUG\nlogtarget = STDOUT\nsyslogsocket = auto\ndbfile = None\ndbpurgeage = 1d\n"
        f"socket = {folder}/f2b.sock\npidfile = {folder}/f2b.pid\nallowipv6 = auto\n"
    )
    (place / "jail.conf").write_text(
        "[mailproxy]\nenabled = true\nbackend = polling\nusedns = no\nmaxretry = 2\nfindtime = 1h\nbantime = 1h\n"
        f"ignoreself = false\nlogpath = {folder}/mailproxy.log\nfilter = mailproxy\n"
        f'action = mailproxy[mailproxy="{sys.executable} -m mailproxy", socket="{ctl.path}"]\n'
    )
    (folder / "mailproxy.log").touch()
    command: list[str | Path] = [
        _program("fail2ban-server"),
        "-c",
        place,
        "-s",
        folder / "f2b.sock",
        "-p",
        folder / "f2b.pid",
        "-xf",
    ]
    process = Process([*command, "start"], folder, environment={"PYTHONPATH": str(ETC.parents[1])})
    try:
        until(lambda: "Jail 'mailproxy' started" in process.stdout, "fail2ban")
        yield process
    finally:
        process.stop()


@pytest.fixture
def ctl(folder: Path) -> Ctl:
    return Ctl(folder / "admin.sock")


def test_fail2ban_bans_who_guesses_passwords(
    front: StartFront, recorder: StartRecorder, pki: Certificates, ctl: Ctl, folder: Path, fail2ban: Process
) -> None:
    configuration, port = single(pki.server_ec, recorder(refuse_logins).port, log_refused_logins=True)
    log = {"format": "text", "target": str(folder / "mailproxy.log")}
    front({**with_admin(configuration, ctl.path), "log": log})
    for _ in range(2):
        with connect_tls(port, pki.client(), ATTACKER) as connection:
            assert read_line(connection) == GREETING
            connection.sendall(b"a LOGIN alice guess\r\n")
            assert read_line(connection).startswith(b"a NO ")
    until(lambda: ctl.rows("show bans"), "the ban")
    # fail2ban carries no unban out whose ban has not returned.
    until(lambda: "returned successfully" in fail2ban.stdout, "the end of fail2ban's action")
    (row,) = ctl.rows("show bans")
    assert (row["network"], row["reason"], row["origin"]) == (ATTACKER, "jail mailproxy", "fail2ban")
    assert 3600 < row["left_s"] <= 3660
    with connect(port, ATTACKER) as refused:
        assert refused.recv(1) == b""
    with connect_tls(port, pki.client(), OTHER) as connection:
        assert read_line(connection) == GREETING
    ctl.output(f"ban {ATTACKER} 2h mine")
    subprocess.run(
        [_program("fail2ban-client"), "-s", folder / "f2b.sock", "unban", ATTACKER],
        check=True,
        capture_output=True,
    )
    until(lambda: not ctl.rows("show bans origin fail2ban"), "the end of the ban")
    assert [(row["network"], row["reason"], row["origin"]) for row in ctl.rows("show bans")] == [
        (ATTACKER, "mine", "ctl")
    ]
