"""Health checks of a real Dovecot: what they find out, and what they cost its log."""

import base64
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront, short_folder
from tests.interop.dovecot import API_KEY, PASSWORD, PROTOCOLS, USER, Dovecot
from tests.interop.front import Event, Front, Table, frontend
from tests.interop.ports import free_port
from tests.interop.relay import Relay
from tests.interop.server import ThreadedServer
from tests.interop.waiting import until

INTER = "150ms"

# A server that begins down says by its first line in the log what its first good check has found.
DOWN: Table = {"init-state": "down"}

LOGGED_OUT = (
    r"{}-login: Info: (?:Aborted login by logging out|Disconnected: Aborted login by logging out) .*no auth attempts"
)


@pytest.fixture(scope="module")
def checked(relay: Relay) -> Iterator[Dovecot]:
    """A Dovecot that only the checks of a test connect to."""
    peers.need(*peers.DOVECOT)
    with short_folder() as folder, closing(Dovecot(folder, "passwords", relay.port)) as dovecot:
        yield dovecot


@pytest.fixture
def broken(relay: Relay) -> Iterator[Dovecot]:
    """A Dovecot of its own for a test that breaks it."""
    peers.need(*peers.DOVECOT)
    with short_folder() as folder, closing(Dovecot(folder, "half-broken", relay.port)) as dovecot:
        yield dovecot


@pytest.fixture
def asked_in_vain(relay: Relay) -> Iterator[Dovecot]:
    """A Dovecot of its own for a test that fails to log in: it is slow to answer our address from then on."""
    peers.need(*peers.DOVECOT)
    with short_folder() as folder, closing(Dovecot(folder, "passwords", relay.port)) as dovecot:
        yield dovecot


@pytest.fixture
def password(folder: Path) -> str:
    file = folder / "password"
    file.touch(mode=0o600)
    file.write_text(f"{PASSWORD}\n")
    return str(file)


def checking(dovecot: Dovecot, protocol: str, check: Table, **server: Any) -> dict[str, Any]:
    """A configuration with one server that a single check marks up or down."""
    usual = {"inter": INTER, "jitter": 0, "timeout": "5s", "rise": 1, "fall": 1}
    keys = {"address": f"127.0.0.1:{dovecot.ports[protocol]}", "check": usual | dict(check), **DOWN, **server}
    return {
        "frontend": {"f": frontend(free_port(), "b", protocol=protocol, tls="none")},
        "backend": {"b": {"profile": "dovecot", "server": {"s": keys}}},
    }


def change(front: Front, state: str) -> Event:
    """The log line of the server's change to a state, awaited: also if some checks get no answer in time."""
    return until(
        lambda: next(iter(front.events(event="server", state=state)), None), f"the server to be {state}", seconds=20
    )


def trouble(front: Front) -> Event:
    """The log line that says that a check itself is at fault, awaited."""
    return until(lambda: next(iter(front.events(event="check")), None), "a check to be at fault")


def lines_since(dovecot: Dovecot, start: int) -> list[str]:
    return [line for line in dovecot.log[start:].splitlines() if line.strip()]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mail_check_costs_one_line_and_lmtp_two(front: StartFront, checked: Dovecot, protocol: str) -> None:
    start = len(checked.log)

    def lines_of() -> list[str]:
        # A line about the protocol before may still come, and that of Dovecot's start, which names all protocols.
        return [line for line in lines_since(checked, start) if re.search(rf" {protocol}(-login)?[:(]", line)]

    with front(checking(checked, protocol, {"type": "mail"})) as started:
        assert change(started, "up")["reason"] == "greeted"
        until(lambda: len(lines_of()) >= 6, "six lines in Dovecot's log")
        lines = lines_of()  # before the end, which may come in the middle of a check
    if protocol == "lmtp":
        kinds = [re.search(r"lmtp.*: Info: (Connect|Disconnect) from", line) for line in lines]
        assert all(kinds), lines
        counts = Counter(kind[1] for kind in kinds if kind)
        assert abs(counts["Connect"] - counts["Disconnect"]) <= 1
        return
    ports = [re.search(r"rport=<(\d+)>", line) for line in lines]
    assert all(re.search(LOGGED_OUT.format(protocol), line) for line in lines), lines
    assert set(Counter(port[1] for port in ports if port).values()) == {1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tcp_check_is_content_with_a_connection(front: StartFront, checked: Dovecot, protocol: str) -> None:
    with front(checking(checked, protocol, {"type": "tcp"})) as started:
        assert change(started, "up")["reason"] == "connected"


@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol != "lmtp"])
def test_login_check_logs_in_with_our_own_address_and_what_is_called_tls(
    front: StartFront, checked: Dovecot, password: str, protocol: str
) -> None:
    start = len(checked.log)
    check = {"type": "login", "user": USER, "password-file": password}
    with front(checking(checked, protocol, check)) as started:
        assert change(started, "up")["reason"] == "logged in"
    (login, *_) = [line for line in lines_since(checked, start) if f"{protocol}-login: Info: Login: " in line]
    assert "rip=<127.0.0.1>" in login
    assert f"user=<{USER}>" in login
    assert "secured=<secured>" in login or "secured=<TLS>" in login


def test_login_check_of_lmtp_asks_for_its_extensions(front: StartFront, checked: Dovecot, password: str) -> None:
    check = {"type": "login", "user": USER, "password-file": password}
    with front(checking(checked, "lmtp", check)) as started:
        assert change(started, "up")["reason"] == "answered LHLO"


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_login_check_opens_a_mailbox(front: StartFront, checked: Dovecot, password: str, protocol: str) -> None:
    check = {"type": "login", "user": USER, "password-file": password, "mailbox": "INBOX"}
    with front(checking(checked, protocol, check)) as started:
        assert change(started, "up")["reason"] == "logged in"


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ("imap", "LOGIN: expected OK, got a1 NO [AUTHENTICATIONFAILED]"),
        ("pop3", "PASS: expected +OK, got -ERR [AUTH]"),
        ("submission", "AUTH: expected 235, got 535 5.7.8"),
        ("managesieve", "AUTHENTICATE: expected OK, got NO "),
    ],
)
def test_wrong_password_is_the_checks_fault(
    front: StartFront, asked_in_vain: Dovecot, folder: Path, protocol: str, reason: str
) -> None:
    wrong = folder / "wrong"
    wrong.write_text("wr0ng-s3cret")
    check = {"type": "login", "user": USER, "password-file": str(wrong)}
    with front(checking(asked_in_vain, protocol, check)) as started:
        assert change(started, "up")["reason"].startswith(reason)
        assert trouble(started)["reason"].startswith(reason)
        assert "wr0ng-s3cret" not in started.output
        assert base64.b64encode(b"\0alice\0wr0ng-s3cret").decode() not in started.output


def test_login_without_tls_is_the_checks_fault(front: StartFront, checked: Dovecot, password: str) -> None:
    check = {"type": "login", "user": USER, "password-file": password, "check-header": "local"}
    with front(checking(checked, "imap", check)) as started:
        assert "LOGINDISABLED" in trouble(started)["reason"]


def test_passwords_that_cannot_be_looked_up_are_the_servers_fault(
    front: StartFront, broken: Dovecot, password: str
) -> None:
    check = {"type": "login", "user": "somebody-else", "password-file": password}
    with front(checking(broken, "imap", check, **{"init-state": "up"})) as started:
        assert "LOGIN: expected OK, got a1 NO [UNAVAILABLE]" in change(started, "down")["reason"]


def test_mail_that_cannot_be_read_is_the_servers_fault(front: StartFront, broken: Dovecot, password: str) -> None:
    folder = broken.base / "mail" / USER
    folder.mkdir(exist_ok=True)
    folder.chmod(0)
    check = {"type": "login", "user": USER, "password-file": password, "mailbox": "INBOX"}
    with front(checking(broken, "imap", check, **{"init-state": "up"})) as started:
        assert "SELECT: expected OK, got m1 NO [SERVERBUG]" in change(started, "down")["reason"]


def test_mail_check_notices_a_broken_auth_process(front: StartFront, broken: Dovecot) -> None:
    with front(checking(broken, "imap", {"type": "mail"})) as started:
        change(started, "up")
        broken.break_auth()
        assert change(started, "down")["reason"].startswith("greeting: expected * OK")


def ask_doveadm(dovecot: Dovecot, folder: Path, command: str, key: str = API_KEY) -> Table:
    """A check of Dovecot by its own HTTP API."""
    file = folder / "doveadm"
    file.touch(mode=0o600)
    file.write_text(f"X-Dovecot-API {base64.b64encode(key.encode()).decode()}\n")
    return {
        "type": "http",
        "url": f"http://{{host}}:{dovecot.doveadm_port}/doveadm/v1",
        "method": "POST",
        "authorization-file": str(file),
        "body": command,
        "json": {"/0/0": "doveadmResponse"},
    }


@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol != "lmtp"])
def test_http_check_asks_dovecot_for_a_service(
    front: StartFront, checked: Dovecot, folder: Path, protocol: str
) -> None:
    check = ask_doveadm(checked, folder, '[["serviceStatus", {"service": ["{protocol}-login"]}, "t"]]')
    check = {**check, "json": {"/0/0": "doveadmResponse", "/0/1/0/listening": "y"}}
    with front(checking(checked, protocol, check)) as started:
        assert change(started, "up")["reason"] == "HTTP status 200"
        assert started.events(event="message") == []


def test_http_check_asks_dovecot_for_a_mailbox(front: StartFront, checked: Dovecot, folder: Path) -> None:
    command = f'[["mailboxStatus", {{"user": "{USER}", "mailboxMask": ["INBOX"], "field": ["messages"]}}, "t"]]'
    with front(checking(checked, "imap", ask_doveadm(checked, folder, command))) as started:
        assert change(started, "up")["reason"] == "HTTP status 200"


def test_http_check_with_a_wrong_key_is_the_checks_fault(front: StartFront, checked: Dovecot, folder: Path) -> None:
    command = '[["serviceStatus", {"service": ["imap-login"]}, "t"]]'
    with front(checking(checked, "imap", ask_doveadm(checked, folder, command, key="wr0ng-k3y"))) as started:
        assert trouble(started)["reason"] == "HTTP status: expected 200, got 401 Authentication required"
        assert base64.b64encode(b"wr0ng-k3y").decode() not in started.output


def test_http_check_that_dovecot_answers_with_an_error_is_not_passed(
    front: StartFront, checked: Dovecot, folder: Path
) -> None:
    check = ask_doveadm(checked, folder, '[["noSuchCommand", {}, "t"]]')
    with front(checking(checked, "imap", check, **{"init-state": "up"})) as started:
        assert 'JSON /0/0: expected "doveadmResponse", got "error"' in change(started, "down")["reason"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mail_check_goes_over_tls_where_the_server_has_it(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, protocol: str
) -> None:
    # managesieve-login of Dovecot 2.3.19 reads what comes while it writes the last record of its greeting, and looks at
    # it only when more comes. Then a check gets no answer to its LOGOUT, as a client of Python's ssl does, and the next
    # one has to tell.
    tls = {"ca": str(pki.authority), "verify-name": SERVER_NAME}
    configuration = checking(tls_dovecot, protocol, {"type": "mail", "timeout": "2s"}, tls=tls)
    configuration["backend"]["b"]["server"]["s"]["address"] = f"127.0.0.1:{tls_dovecot.tls_ports[protocol]}"
    with front(configuration) as started:
        assert change(started, "up")["reason"] == "greeted"


def test_server_with_a_wrong_name_does_not_pass(front: StartFront, tls_dovecot: Dovecot, pki: Certificates) -> None:
    tls = {"ca": str(pki.authority), "verify-name": "other.example"}
    configuration = checking(tls_dovecot, "imap", {"type": "mail"}, tls=tls, **{"init-state": "up"})
    configuration["backend"]["b"]["server"]["s"]["address"] = f"127.0.0.1:{tls_dovecot.tls_ports['imap']}"
    with front(configuration) as started:
        reason = change(started, "down")["reason"]
        assert "other.example" in reason


def test_agent_says_how_the_server_is(front: StartFront, checked: Dovecot) -> None:
    said = [b"up\n"]
    with (
        ThreadedServer(lambda connection: connection.sendall(said[0])) as agent,
        front(checking(checked, "imap", {"type": "agent", "port": agent.port})) as started,
    ):
        assert change(started, "up")["reason"] == "agent: up"
        said[0] = b"drain\n"
        assert change(started, "drain")["reason"] == "its agent says drain"
        said[0] = b"ready down #disk full\n"
        assert change(started, "down")["reason"].startswith("agent: ready down #disk full")


# A listener that expects no PROXY header.


def ignorant(port: int, protocol: str, check: Table | None) -> Table:
    """A configuration whose only server does not support the PROXY protocol."""
    server: Table = {"address": f"127.0.0.1:{port}"}
    backend: dict[str, Any] = {"profile": "dovecot", "server": {"d1": server}}
    if check is not None:
        backend["check"] = check
    return {
        "frontend": {"front": frontend(free_port(), "dovecot", protocol=protocol, tls="none")},
        "backend": {"dovecot": backend},
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dovecot_that_does_not_know_the_header_is_down(front: StartFront, tls_dovecot: Dovecot, protocol: str) -> None:
    running = front(
        ignorant(tls_dovecot.direct_ports[protocol], protocol, {"type": "mail", "inter": INTER, "timeout": "5s"})
    )
    until(lambda: running.events(event="server", state="down"), "the server to be down")
    (down,) = running.events(event="server", state="down")
    assert down["reason"].startswith('answered the PROXY header with "')
    assert 'its listener expects none; set haproxy = yes there, or send-proxy = "none"' in down["reason"]


@pytest.mark.parametrize("check", [{"type": "tcp"}, None])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dovecot_that_does_not_know_the_header_is_told_of_at_the_start(
    front: StartFront, tls_dovecot: Dovecot, protocol: str, check: Table | None
) -> None:
    running = front(ignorant(tls_dovecot.direct_ports[protocol], protocol, check))
    until(lambda: running.events(event="header"), "a warning")
    (event,) = running.events(event="header")
    assert event["level"] == "warn"
    assert "set haproxy = yes there" in event["reason"]
    assert running.events(event="server", state="down") == []
