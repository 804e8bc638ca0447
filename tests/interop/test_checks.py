"""Health checks of a real Dovecot: what they find out, and what they cost its log."""

import base64
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.interop import peers
from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.conftest import StartFront, short_folder, starting_fronts
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


@pytest.fixture(scope="module")
def password(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("secret") / "password"
    file.touch(mode=0o600)
    file.write_text(f"{PASSWORD}\n")
    return str(file)


def checking(dovecot: Dovecot, protocol: str, check: Table, **server: Any) -> dict[str, Any]:
    """A configuration with one server that a single check marks up or down."""
    usual = {"inter": INTER, "jitter": 0, "timeout": "30s", "rise": 1, "fall": 1}
    keys = {"address": f"127.0.0.1:{dovecot.ports[protocol]}", "check": usual | dict(check), **DOWN, **server}
    return {
        "frontend": {"f": frontend(free_port(), "b", protocol=protocol, tls="none")},
        "backend": {"b": {"profile": "dovecot", "server": {"s": keys}}},
    }


def change(front: Front, state: str) -> Event:
    """The log line of the server's change to a state, awaited: also if some checks get no answer in time."""
    return front.event(event="server", state=state)


def trouble(front: Front) -> Event:
    """The log line that says that a check itself is at fault, awaited."""
    return front.event(event="check")


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


def test_http_check_with_a_wrong_key_is_the_checks_fault(front: StartFront, checked: Dovecot, folder: Path) -> None:
    command = '[["serviceStatus", {"service": ["imap-login"]}, "t"]]'
    with front(checking(checked, "imap", ask_doveadm(checked, folder, command, key="wr0ng-k3y"))) as started:
        assert trouble(started)["reason"] == "HTTP status: expected 200, got 401 Authentication required"
        assert base64.b64encode(b"wr0ng-k3y").decode() not in started.output


def test_agent_says_how_the_server_is(front: StartFront, checked: Dovecot) -> None:
    reply = [b"up\n"]
    with (
        ThreadedServer(lambda connection: connection.sendall(reply[0])) as agent,
        front(checking(checked, "imap", {"type": "agent", "port": agent.port})) as started,
    ):
        assert change(started, "up")["reason"] == "agent: up"
        reply[0] = b"drain\n"
        assert change(started, "drain")["reason"] == "its agent says drain"
        reply[0] = b"ready down #disk full\n"
        assert change(started, "down")["reason"].startswith("agent: ready down #disk full")


# What one front finds out about many servers. It has ended when the first of these tests looks at it.

LOGGING_IN = [protocol for protocol in PROTOCOLS if protocol != "lmtp"]
MAILBOXES = ["imap", "pop3"]
UNCHECKED: Mapping[str, Table | None] = {"tcp": {"type": "tcp"}, "default": None}


class Findings:
    """The log of a front with many backends, in the end, and what Dovecot's log says of its checks."""

    def __init__(self, events: Sequence[Event], dovecot_log: str) -> None:
        self._events = events
        self.dovecot_log = dovecot_log

    def events(self, **fields: Any) -> list[Event]:
        """The log lines that have these values."""
        return [event for event in self._events if fields.items() <= event.items()]

    def change(self, backend: str, state: str) -> Event:
        """The first change to a state of the server in a backend."""
        return self.events(event="server", backend=backend, state=state)[0]


def ignorant(port: int, protocol: str, check: Table | None) -> Table:
    """A configuration whose only server does not support the PROXY protocol."""
    backend: dict[str, Any] = {
        "profile": "dovecot",
        "timeout": {"connect": "30s"},  # for the look at the server at the start
        "server": {"s": {"address": f"127.0.0.1:{port}"}},
    }
    if check is not None:
        backend["check"] = check
    return {
        "frontend": {"f": frontend(free_port(), "b", protocol=protocol, tls="none")},
        "backend": {"b": backend},
    }


def over_tls(dovecot: Dovecot, pki: Certificates, protocol: str, name: str, **server: Any) -> dict[str, Any]:
    """A configuration with a server that has TLS behind the header, expected to have this name."""
    # managesieve-login of Dovecot 2.3.19 reads what comes while it writes the last record of its greeting, and looks at
    # it only when more comes. Then a check gets no answer to its LOGOUT, as a client of Python's ssl does, and the next
    # one has to tell.
    timeout = "2s" if protocol == "managesieve" else "30s"
    tls = {"ca": str(pki.authority), "verify-name": name}
    configuration = checking(dovecot, protocol, {"type": "mail", "timeout": timeout, "inter": "1s"}, tls=tls, **server)
    configuration["backend"]["b"]["server"]["s"]["address"] = f"127.0.0.1:{dovecot.tls_ports[protocol]}"
    return configuration


def together(configurations: Mapping[str, Table]) -> Table:
    """One configuration of many: each has its frontend and its backend, by its name."""
    return {
        "frontend": {name: {**each["frontend"]["f"], "backend": name} for name, each in configurations.items()},
        "backend": {name: each["backend"]["b"] for name, each in configurations.items()},
    }


@pytest.fixture(scope="module")
def findings(
    checked: Dovecot, tls_dovecot: Dovecot, pki: Certificates, password: str, tmp_path_factory: pytest.TempPathFactory
) -> Findings:
    # One check of each is enough, but the servers have much to do.
    calm = {"inter": "1s"}
    login = {"type": "login", "user": USER, "password-file": password, **calm}
    folder = tmp_path_factory.mktemp("api")
    unknown = '[["noSuchCommand", {}, "t"]]'
    status = '[["serviceStatus", {"service": ["{protocol}-login"]}, "t"]]'
    mailbox = f'[["mailboxStatus", {{"user": "{USER}", "mailboxMask": ["INBOX"], "field": ["messages"]}}, "t"]]'
    served = {"json": {"/0/0": "doveadmResponse", "/0/1/0/listening": "y"}, **calm}
    mail = {"type": "mail", "timeout": "30s", **calm}
    up = {
        **{f"tcp-{each}": checking(checked, each, {"type": "tcp", **calm}) for each in PROTOCOLS},
        **{f"login-{each}": checking(checked, each, login) for each in PROTOCOLS},
        **{f"mailbox-{each}": checking(checked, each, {**login, "mailbox": "INBOX"}) for each in MAILBOXES},
        **{
            f"http-{each}": checking(checked, each, {**ask_doveadm(checked, folder, status), **served})
            for each in LOGGING_IN
        },
        "http-mailbox": checking(checked, "imap", {**ask_doveadm(checked, folder, mailbox), **calm}),
        **{f"tls-{each}": over_tls(tls_dovecot, pki, each, SERVER_NAME) for each in PROTOCOLS},
    }
    down = {
        "http-error": checking(
            checked, "imap", {**ask_doveadm(checked, folder, unknown), **calm}, **{"init-state": "up"}
        ),
        "tls-wrong-name": over_tls(tls_dovecot, pki, "imap", "other.example", **{"init-state": "up"}),
        **{f"ignorant-{each}": ignorant(tls_dovecot.direct_ports[each], each, mail) for each in PROTOCOLS},
    }
    warned = {
        f"warned-{name}-{each}": ignorant(tls_dovecot.direct_ports[each], each, check)
        for name, check in UNCHECKED.items()
        for each in PROTOCOLS
    }
    expected = {
        **{name: {"event": "server", "state": "up"} for name in up},
        **{name: {"event": "server", "state": "down"} for name in down},
        **{name: {"event": "header"} for name in warned},
    }
    start = len(checked.log)
    with starting_fronts() as front:
        running = front(together({**up, **down, **warned}))

        def missing() -> list[str]:
            return [name for name, fields in expected.items() if not running.events(backend=name, **fields)]

        try:
            until(lambda: not missing(), "all findings", pause=0.05)
        except AssertionError:
            raise AssertionError(f"nothing about {missing()} in\n{running.output}") from None
        return Findings(running.events(), checked.log[start:])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tcp_check_is_content_with_a_connection(findings: Findings, protocol: str) -> None:
    assert findings.change(f"tcp-{protocol}", "up")["reason"] == "connected"


@pytest.mark.parametrize("protocol", LOGGING_IN)
def test_login_check_logs_in_with_our_own_address_and_what_is_called_tls(findings: Findings, protocol: str) -> None:
    assert findings.change(f"login-{protocol}", "up")["reason"] == "logged in"
    logins = [line for line in findings.dovecot_log.splitlines() if f"{protocol}-login: Info: Login: " in line]
    assert logins
    for login in logins:
        assert "rip=<127.0.0.1>" in login
        assert f"user=<{USER}>" in login
        assert "secured=<secured>" in login or "secured=<TLS>" in login


def test_login_check_of_lmtp_asks_for_its_extensions(findings: Findings) -> None:
    assert findings.change("login-lmtp", "up")["reason"] == "answered LHLO"


@pytest.mark.parametrize("protocol", MAILBOXES)
def test_login_check_opens_a_mailbox(findings: Findings, protocol: str) -> None:
    assert findings.change(f"mailbox-{protocol}", "up")["reason"] == "logged in"


@pytest.mark.parametrize("protocol", LOGGING_IN)
def test_http_check_asks_dovecot_for_a_service(findings: Findings, protocol: str) -> None:
    assert findings.change(f"http-{protocol}", "up")["reason"] == "HTTP status 200"


def test_http_check_asks_dovecot_for_a_mailbox(findings: Findings) -> None:
    assert findings.change("http-mailbox", "up")["reason"] == "HTTP status 200"


def test_http_checks_log_nothing_else(findings: Findings) -> None:
    assert findings.events(event="message") == []


def test_http_check_that_dovecot_answers_with_an_error_is_not_passed(findings: Findings) -> None:
    assert 'JSON /0/0: expected "doveadmResponse", got "error"' in findings.change("http-error", "down")["reason"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mail_check_goes_over_tls_where_the_server_has_it(findings: Findings, protocol: str) -> None:
    assert findings.change(f"tls-{protocol}", "up")["reason"] == "greeted"


def test_server_with_a_wrong_name_does_not_pass(findings: Findings) -> None:
    assert "other.example" in findings.change("tls-wrong-name", "down")["reason"]


# A listener that expects no PROXY header.


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dovecot_that_does_not_know_the_header_is_down(findings: Findings, protocol: str) -> None:
    (down,) = findings.events(event="server", backend=f"ignorant-{protocol}", state="down")
    assert down["reason"].startswith('answered the PROXY header with "')
    assert 'its listener expects none; set haproxy = yes there, or send-proxy = "none"' in down["reason"]


@pytest.mark.parametrize("check", UNCHECKED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dovecot_that_does_not_know_the_header_is_reported_at_the_start(
    findings: Findings, protocol: str, check: str
) -> None:
    backend = f"warned-{check}-{protocol}"
    (event,) = findings.events(event="header", backend=backend)
    assert event["level"] == "warn"
    assert "set haproxy = yes there" in event["reason"]
    assert findings.events(event="server", backend=backend, state="down") == []
