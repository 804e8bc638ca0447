"""Dovecot with TLS after the PROXY header: its certificate is verified before any byte of a client is sent."""

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import Imap, Lmtp, ManageSieve, Pop3, Submission, connect, connect_tls
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PASSWORD, PROTOCOLS, USER, Dovecot
from tests.interop.front import Front, Table, frontend, toml
from tests.interop.ports import free_port
from tests.interop.relay import Relay
from tests.interop.server import until_end
from tests.interop.test_bad_backends import REFUSALS
from tests.interop.test_dovecot import LETTER, secured_login
from tests.interop.waiting import PATIENCE_SECONDS, until

Ports = Mapping[str, int]


def configuration(
    dovecot: Dovecot, pki: Certificates, tls: Table | bool, mode: str = "implicit"
) -> tuple[Table, Ports]:
    """A frontend for each protocol before one Dovecot on TLS, and the frontends' ports by protocol."""
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    return {
        "tls": {"default": {"certificates": [str(pki.server_ec)]}},
        "frontend": {
            protocol: frontend(port, "dovecot", protocol=protocol, tls=mode) for protocol, port in ports.items()
        },
        "backend": {
            "dovecot": {
                "profile": "dovecot",
                "retries": 0,
                "ports": dovecot.tls_ports,
                "server": {"d1": {"address": "127.0.0.1", "tls": tls}},
            }
        },
    }, ports


@pytest.fixture(scope="module")
def trust(pki: Certificates) -> dict[str, Any]:
    return {"ca": str(pki.authority), "verify-name": SERVER_NAME}


@pytest.fixture(scope="module")
def ports(module_front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: Table) -> Ports:
    settings, ports = configuration(tls_dovecot, pki, trust)
    module_front(settings)
    return ports


def on_tls(connection: socket.socket) -> dict[str, str]:
    """
    The fields that Dovecot must log for a login over this connection, if the front uses TLS to Dovecot as well.

    Its local_name is the server name of that connection.
    """
    return secured_login(connection) | {"secured": "TLS", "local_name": SERVER_NAME}


def test_imap_login_shows_the_client(ports: Ports, tls_dovecot: Dovecot, pki: Certificates) -> None:
    with connect_tls(ports["imap"], pki.client(), "127.0.0.7") as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        assert imap.select("INBOX")[0] == "OK"
        assert tls_dovecot.login("imap", connection.getsockname()[:2]) == on_tls(connection)
        imap.logout()


def test_pop3_login_shows_the_client(ports: Ports, tls_dovecot: Dovecot, pki: Certificates) -> None:
    with connect_tls(ports["pop3"], pki.client()) as connection:
        pop3 = Pop3(connection)
        pop3.user(USER)
        assert pop3.pass_(PASSWORD).startswith(b"+OK")
        assert tls_dovecot.login("pop3", connection.getsockname()[:2]) == on_tls(connection)
        pop3.quit()


def test_submission_login_shows_the_client(ports: Ports, tls_dovecot: Dovecot, pki: Certificates, relay: Relay) -> None:
    with connect_tls(ports["submission"], pki.client()) as connection:
        smtp = Submission(connection)
        smtp.login(USER, PASSWORD, initial_response_ok=True)
        smtp.sendmail("alice@example.org", ["bob@example.org"], LETTER % b"submitted over TLS")
        assert tls_dovecot.login("submission", connection.getsockname()[:2]) == on_tls(connection)
        smtp.quit()
    assert any(b"submitted over TLS" in message for message in relay.messages)


def test_lmtp_delivery_shows_the_client(ports: Ports, tls_dovecot: Dovecot, pki: Certificates) -> None:
    with connect_tls(ports["lmtp"], pki.client(), "127.0.0.7") as connection:
        lmtp = Lmtp(connection)
        lmtp.sendmail("bob@example.org", [USER], LETTER % b"delivered over TLS")
        lmtp.quit()
    letter = tls_dovecot.delivered(USER, lambda message: b"delivered over TLS" in message)
    assert b"Received: from client.test ([127.0.0.7])" in letter


@contextmanager
def authenticated_sieve(port: int, context: ssl.SSLContext) -> Iterator[ManageSieve]:
    """
    A ManageSieve client that has logged in.

    Over TLS, Dovecot 2.3.19 sometimes does not answer a command right after its greeting, even without a proxy: then
    the client tries again.
    """
    for attempt in range(8):
        with connect_tls(port, context) as connection:
            connection.settimeout(2.0 + 2.0 * attempt)
            sieve = ManageSieve(connection)
            try:
                sieve.authenticate(USER, PASSWORD)
            except TimeoutError:
                continue
            yield sieve
            return
    pytest.fail("no answer to AUTHENTICATE")


def test_managesieve_upload_shows_the_client(ports: Ports, tls_dovecot: Dovecot, pki: Certificates) -> None:
    with authenticated_sieve(ports["managesieve"], pki.client()) as sieve:
        connection = sieve.sock
        sieve.put_script("over-tls", b"keep;\r\n")
        assert "over-tls" in sieve.list_scripts()
        assert tls_dovecot.login("managesieve", connection.getsockname()[:2]) == on_tls(connection)
        sieve.logout()


def test_large_message_comes_and_goes_over_tls_on_both_sides(ports: Ports, pki: Certificates) -> None:
    lines = b"".join(b"%070d\r\n" % number for number in range(200_000))
    with connect_tls(ports["imap"], pki.client()) as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        imap.create("large")
        imap.append("large", "", "", LETTER % b"large" + lines)
        imap.select("large")
        parts = imap.fetch("1", "(BODY.PEEK[TEXT])")[1]
        assert isinstance(parts[0], tuple)
        assert parts[0][1].endswith(lines)
        imap.logout()


def test_server_s_log_has_no_complaint(ports: Ports, tls_dovecot: Dovecot, pki: Certificates) -> None:
    """Not even about a client that vanishes: its end reaches the server as a close_notify."""
    before = len(tls_dovecot.log)
    with connect_tls(ports["imap"], pki.client()) as connection:
        Imap(connection).login(USER, PASSWORD)
    # The logout of a test before may still be on its way into the log.
    end = re.compile(r"Disconnected: (?!Logged out)(.*) in=\d+")
    parted = until(lambda: end.search(tls_dovecot.log[before:]), "an end in the log")
    assert parted[1] == "Connection closed (No commands sent)"


# Servers that are not whom they should be.


@pytest.fixture(scope="module")
def refused(
    module_front: StartFront,
    tls_dovecot: Dovecot,
    expired_dovecot: Dovecot,
    self_signed_dovecot: Dovecot,
    pki: Certificates,
    trust: dict[str, Any],
) -> Mapping[str, tuple[Front, Ports, str]]:
    """By fault: a front, its ports, and the expected text in its log."""
    cases: dict[str, tuple[Dovecot, dict[str, Any], str]] = {
        "wrong name": (
            tls_dovecot,
            trust | {"verify-name": "imap.example.org"},
            f"certificate is for {SERVER_NAME}, localhost, 127.0.0.1, ::1, not for imap.example.org",
        ),
        "unknown authority": (tls_dovecot, trust | {"ca": str(pki.stranger)}, "certificate comes from "),
        "expired": (expired_dovecot, trust, "certificate expired on 2002-01-01 at 00:00 UTC"),
        "self-signed": (self_signed_dovecot, trust, f"certificate is self-signed, and not in {pki.authority}"),
    }
    fronts = {}
    for name, (dovecot, tls, reason) in cases.items():
        settings, ports = configuration(dovecot, pki, tls)
        fronts[name] = module_front(settings), ports, reason
    return fronts


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("what", ["wrong name", "unknown authority", "expired", "self-signed"])
def test_server_is_refused_and_the_client_gets_an_answer_in_its_protocol(
    refused: Mapping[str, tuple[Front, Ports, str]], pki: Certificates, what: str, protocol: str
) -> None:
    front, ports, reason = refused[what]
    with connect_tls(ports[protocol], pki.client()) as connection:
        client = connection.getsockname()
        answer = until_end(connection)
    assert answer.startswith(REFUSALS[protocol])
    assert answer.count(b"\r\n") == 1
    line = front.session(client)
    assert line["termination"] == "SC"
    assert line["reason"].startswith(reason)


@pytest.mark.parametrize(("sni", "local_name"), [("client", SERVER_NAME), ("imap.example.com", "imap.example.com")])
def test_server_name_is_dovecot_s_local_name_whatever_the_header_says(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: dict[str, Any], sni: str, local_name: str
) -> None:
    settings, ports = configuration(tls_dovecot, pki, trust | {"sni": sni})
    settings["backend"]["dovecot"]["proxy-v2-options"] = ["authority"]
    front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        assert tls_dovecot.login("imap", connection.getsockname()[:2])["local_name"] == local_name
        imap.logout()


def test_address_is_verified_without_a_name(front: StartFront, tls_dovecot: Dovecot, pki: Certificates) -> None:
    """The certificate has the address, too."""
    settings, ports = configuration(tls_dovecot, pki, {"ca": str(pki.authority)})
    front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        assert Imap(connection).login(USER, PASSWORD)[0] == "OK"


def test_system_s_authorities_do_not_know_the_server(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates
) -> None:
    settings, ports = configuration(tls_dovecot, pki, True)
    running = front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        client = connection.getsockname()
        assert until_end(connection).startswith(REFUSALS["imap"])
    assert running.session(client)["reason"].endswith("which is not in the system's authorities")


def test_nothing_is_verified_where_that_is_configured(
    front: StartFront, self_signed_dovecot: Dovecot, pki: Certificates
) -> None:
    settings, ports = configuration(self_signed_dovecot, pki, {"verify": "none"})
    front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        assert Imap(connection).login(USER, PASSWORD)[0] == "OK"


def test_server_without_tls_is_distinguished(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: Table
) -> None:
    settings, ports = configuration(tls_dovecot, pki, trust)
    settings["backend"]["dovecot"]["ports"] = tls_dovecot.ports
    running = front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        client = connection.getsockname()
        assert until_end(connection).startswith(REFUSALS["imap"])
    assert "does the server speak TLS there?" in running.session(client)["reason"]


@pytest.mark.parametrize("name", [SERVER_NAME, "imap.example.org"])
def test_health_check_verifies_the_server_too(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: dict[str, Any], name: str
) -> None:
    settings, _ = configuration(tls_dovecot, pki, trust | {"verify-name": name})
    # Dovecot's ManageSieve does not answer each check of a session over TLS.
    timeout = "5s" if name == SERVER_NAME else "30s"
    check = {"type": "mail", "inter": "200ms", "timeout": timeout, "rise": 1, "fall": 1}
    settings["backend"]["dovecot"]["check"] = check
    settings["backend"]["dovecot"]["server"]["d1"]["init-state"] = "up" if name != SERVER_NAME else "fully-down"
    running = front(settings)

    def changes() -> dict[str, tuple[str, str]]:
        events = running.events(event="server")
        return {event["protocol"]: (event["state"], event["reason"]) for event in reversed(events)}

    until(lambda: changes().keys() == set(PROTOCOLS), "a change of each protocol's server")
    for state, reason in changes().values():
        if name == SERVER_NAME:
            assert state == "up"
        else:
            assert state == "down"
            assert reason.startswith(f"certificate is for {SERVER_NAME}, localhost")


# Our own certificate.


def test_server_that_wants_a_certificate_gets_ours(
    front: StartFront, cautious_dovecot: Dovecot, pki: Certificates, trust: dict[str, Any]
) -> None:
    settings, ports = configuration(cautious_dovecot, pki, trust | {"certificate": str(pki.front)})
    front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        assert Imap(connection).login(USER, PASSWORD)[0] == "OK"


def test_server_that_wants_a_certificate_lets_nobody_in_without(
    front: StartFront, cautious_dovecot: Dovecot, pki: Certificates, trust: Table
) -> None:
    settings, ports = configuration(cautious_dovecot, pki, trust)
    front(settings)
    with connect_tls(ports["imap"], pki.client()) as connection:
        imap = Imap(connection)
        with pytest.raises(Imap.error):
            imap.login(USER, PASSWORD)


# What Dovecot makes of it.


def test_client_without_tls_counts_as_secured(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: Table
) -> None:
    """Dovecot looks at our connection; so it is for the frontend to want TLS of its clients."""
    settings, ports = configuration(tls_dovecot, pki, trust, "none")
    front(settings)
    with connect(ports["imap"]) as connection:
        assert Imap(connection).login(USER, PASSWORD)[0] == "OK"


def test_common_name_in_the_header_is_nobody(
    front: StartFront, certificate_dovecot: Dovecot, pki: Certificates, trust: Table
) -> None:
    """Dovecot looks for it in the certificate of our connection."""
    settings, ports = configuration(certificate_dovecot, pki, trust)
    settings["tls"]["default"] |= {"client-certificates": "required", "client-ca": str(pki.authority)}
    settings["backend"]["dovecot"]["send-proxy"] = "v2-ssl-cn"
    front(settings)
    with connect_tls(ports["imap"], pki.client(pki.alice)) as connection, pytest.raises(Imap.error):
        Imap(connection).authenticate("EXTERNAL", lambda challenge: b"")


# Beside the relay.


def test_capabilities_are_learnt_over_tls(
    front: StartFront, tls_dovecot: Dovecot, pki: Certificates, trust: Table
) -> None:
    settings, _ = configuration(tls_dovecot, pki, trust, "starttls")
    running = front(settings)

    def learned() -> set[str]:
        return {event["protocol"] for event in running.events(event="learned") if event["count"]}

    # Dovecot's ManageSieve loses a command behind its greeting now and then: that takes 5 s, and the next try comes
    # after 10.
    until(lambda: learned() == set(PROTOCOLS), "capabilities of all protocols", 2 * PATIENCE_SECONDS)


def test_check_connects_over_tls(folder: Path, tls_dovecot: Dovecot, pki: Certificates, trust: Table) -> None:
    settings, _ = configuration(tls_dovecot, pki, trust)
    file = folder / "mailproxy.toml"
    file.write_text(toml(settings))
    done = subprocess.run(
        [sys.executable, "-m", "mailproxy", "check", "--connect", "-c", file], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "backend dovecot, server d1, imap: IMAP4rev1" in done.stdout


def test_check_says_why_a_server_is_refused(
    folder: Path, tls_dovecot: Dovecot, pki: Certificates, trust: dict[str, Any]
) -> None:
    settings, _ = configuration(tls_dovecot, pki, trust | {"verify-name": "imap.example.org"})
    file = folder / "mailproxy.toml"
    file.write_text(toml(settings))
    done = subprocess.run(
        [sys.executable, "-m", "mailproxy", "check", "--connect", "-c", file], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"backend dovecot, server d1, imap: certificate is for {SERVER_NAME}" in done.stderr
