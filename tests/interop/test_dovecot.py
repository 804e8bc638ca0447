"""Dovecot behind mailproxy: it must see the real client and know that its leg was encrypted."""

import imaplib
import poplib
import smtplib
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from tests.interop.certificates import SERVER_NAME, Certificates
from tests.interop.clients import Imap, Lmtp, ManageSieve, Pop3, SieveRefused, Submission, connect_tls
from tests.interop.conftest import StartFront
from tests.interop.dovecot import CERTIFICATE_USER, PASSWORD, PROTOCOLS, USER, Dovecot
from tests.interop.front import Table, frontend
from tests.interop.ports import free_port, has_ipv6
from tests.interop.relay import Relay
from tests.interop.waiting import until

needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="needs IPv6 on the loopback interface")
SOURCES = ["127.0.0.1", "127.0.0.7", pytest.param("::1", marks=needs_ipv6)]
LETTER = b"From: a@example.org\r\nTo: alice@example.org\r\nSubject: %s\r\n\r\nHello.\r\n"

Ports = Mapping[str, int]


def front_of(dovecot: Dovecot, start: StartFront, tls: Table, mode: str = "implicit", **backend: Any) -> Ports:
    """One mailproxy with a frontend for each protocol before one Dovecot; the frontends' ports by protocol."""
    ports = {protocol: free_port() for protocol in PROTOCOLS}
    running = start(
        {
            "tls": {"default": tls},
            "frontend": {
                protocol: frontend(port, "dovecot", protocol=protocol, tls=mode) for protocol, port in ports.items()
            },
            "backend": {
                "dovecot": {
                    "profile": "dovecot",
                    **backend,
                    "ports": dovecot.ports,
                    "server": {"d1": {"address": "127.0.0.1"}},
                }
            },
        }
    )
    if mode != "implicit":
        # Until then it announces what every server can do.
        until(lambda: {event["protocol"] for event in running.events(event="learned")} == set(ports), "what it offers")
    return ports


@pytest.fixture(scope="module")
def ports(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]})


@pytest.fixture(scope="module")
def ports_without_ssl_tlv(module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]}, **{"send-proxy": "v2"})


@pytest.fixture(scope="module")
def certificate_ports(module_front: StartFront, certificate_dovecot: Dovecot, pki: Certificates) -> Ports:
    asking = {
        "certificates": [str(pki.server_ec)],
        "client-certificates": "optional",
        "client-ca": str(pki.authority),
    }
    sending: Table = {"send-proxy": "v2-ssl-cn", "proxy-v2-options": ["authority"]}
    return front_of(certificate_dovecot, module_front, asking, **sending)


def secured_login(connection: socket.socket, user: str = USER, method: str = "PLAIN") -> dict[str, str]:
    """What Dovecot must log about a login over this connection to the front."""
    client, front = connection.getsockname(), connection.getpeername()
    return {
        "user": user,
        "method": method,
        "rip": client[0],
        "rport": str(client[1]),
        "lip": front[0],
        "lport": str(front[1]),
        "real_rip": "127.0.0.1",
        "secured": "secured",
        "auth_secured": "TLS",
    }


@pytest.mark.parametrize("source", SOURCES)
def test_imap_login_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    with connect_tls(ports["imap"], pki.client(), source) as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        assert imap.select("INBOX")[0] == "OK"
        assert dovecot.login("imap", connection.getsockname()[:2]) == secured_login(connection)
        imap.logout()


def test_formats_reach_dovecot_and_do_not_disturb_it(front: StartFront, dovecot: Dovecot, pki: Certificates) -> None:
    sending: Table = {
        "proxy-v2-options": ["unique-id"],
        "unique-id-format": "front-1/{id}",
        "proxy-v2-tlvs": {
            "0xE1": {"format": "{tls} {cipher} {sni}"},
            "0xE2": {"format": "{cn}"},
            "authority": {"format": "{sni}"},
            "netns": {"format": "{frontend}"},
            "0x06": "a type of nobody's",
        },
    }
    ports = front_of(dovecot, front, {"certificates": [str(pki.server_ec)]}, **sending)
    with connect_tls(ports["imap"], pki.client(), "127.0.0.7") as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        expected = secured_login(connection) | {"local_name": SERVER_NAME}
        assert dovecot.login("imap", connection.getsockname()[:2]) == expected
        imap.logout()


@pytest.mark.parametrize("source", SOURCES)
def test_pop3_login_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    with connect_tls(ports["pop3"], pki.client(), source) as connection:
        pop3 = Pop3(connection)
        pop3.user(USER)
        assert pop3.pass_(PASSWORD).startswith(b"+OK")
        assert dovecot.login("pop3", connection.getsockname()[:2]) == secured_login(connection)
        pop3.quit()


@pytest.mark.parametrize("source", SOURCES)
def test_submission_login_shows_the_client_and_the_message_is_relayed(
    ports: Ports, dovecot: Dovecot, pki: Certificates, relay: Relay, source: str
) -> None:
    subject = f"submitted from {source}".encode()
    with connect_tls(ports["submission"], pki.client(), source) as connection:
        smtp = Submission(connection)
        smtp.login(USER, PASSWORD, initial_response_ok=True)
        smtp.sendmail("alice@example.org", ["bob@example.org"], LETTER % subject)
        assert dovecot.login("submission", connection.getsockname()[:2]) == secured_login(connection)
        smtp.quit()
    assert any(subject in message for message in relay.messages)


@pytest.mark.parametrize("source", SOURCES)
def test_lmtp_delivery_shows_the_client(ports: Ports, dovecot: Dovecot, pki: Certificates, source: str) -> None:
    subject = f"delivered from {source}".encode()
    with connect_tls(ports["lmtp"], pki.client(), source) as connection:
        lmtp = Lmtp(connection)
        lmtp.sendmail("bob@example.org", [USER], LETTER % subject)
        lmtp.quit()
    letter = dovecot.delivered(USER, lambda message: subject in message)
    assert f"Received: from client.test ([{source}])".encode() in letter
    assert dovecot.line(rf"lmtp\(\d+\): Info: Connect from {source}$")


@pytest.mark.parametrize("source", SOURCES)
def test_managesieve_upload_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    name = f"from-{source.replace(':', '-')}"
    with connect_tls(ports["managesieve"], pki.client(), source) as connection:
        sieve = ManageSieve(connection)
        sieve.authenticate(USER, PASSWORD)
        sieve.put_script(name, b"keep;\r\n")
        assert name in sieve.list_scripts()
        assert dovecot.login("managesieve", connection.getsockname()[:2]) == secured_login(connection)
        sieve.logout()


def test_sasl_external_logs_in_with_the_name_of_the_client_certificate(
    certificate_ports: Ports, certificate_dovecot: Dovecot, pki: Certificates
) -> None:
    with connect_tls(certificate_ports["imap"], pki.client(pki.alice)) as connection:
        imap = Imap(connection)
        imap.authenticate("EXTERNAL", lambda challenge: b"")
        logged = certificate_dovecot.login("imap", connection.getsockname()[:2])
        assert logged == secured_login(connection, CERTIFICATE_USER, "EXTERNAL") | {"local_name": SERVER_NAME}
        imap.logout()


def test_sasl_external_works_for_submission_too(
    certificate_ports: Ports, certificate_dovecot: Dovecot, pki: Certificates
) -> None:
    with connect_tls(certificate_ports["submission"], pki.client(pki.alice)) as connection:
        smtp = Submission(connection)
        smtp.ehlo()
        assert smtp.docmd("AUTH", "EXTERNAL =")[0] == 235
        logged = certificate_dovecot.login("submission", connection.getsockname()[:2])
        assert logged == secured_login(connection, CERTIFICATE_USER, "EXTERNAL") | {"local_name": SERVER_NAME}
        smtp.quit()


def test_sasl_external_without_a_certificate_is_refused(certificate_ports: Ports, pki: Certificates) -> None:
    with connect_tls(certificate_ports["imap"], pki.client(), "127.0.0.21") as connection:
        imap = Imap(connection)
        with pytest.raises(imaplib.IMAP4.error):
            imap.authenticate("EXTERNAL", lambda challenge: b"")
        imap.shutdown()


def test_imap_login_without_the_ssl_tlv_is_refused(
    ports_without_ssl_tlv: Ports, dovecot: Dovecot, pki: Certificates
) -> None:
    with connect_tls(ports_without_ssl_tlv["imap"], pki.client(), "127.0.0.31") as connection:
        imap = Imap(connection)
        assert "LOGINDISABLED" in imap.capabilities
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            imap.login(USER, PASSWORD)
        client = connection.getsockname()[:2]
        imap.logout()
    assert "secured" not in dovecot.refused("imap", client)


def test_pop3_login_without_the_ssl_tlv_is_refused(ports_without_ssl_tlv: Ports, pki: Certificates) -> None:
    with connect_tls(ports_without_ssl_tlv["pop3"], pki.client(), "127.0.0.32") as connection:
        pop3 = Pop3(connection)
        with pytest.raises(poplib.error_proto, match="AUTH"):
            pop3.user(USER)
        pop3.quit()


def test_submission_login_without_the_ssl_tlv_is_refused(ports_without_ssl_tlv: Ports, pki: Certificates) -> None:
    with connect_tls(ports_without_ssl_tlv["submission"], pki.client(), "127.0.0.33") as connection:
        smtp = Submission(connection)
        with pytest.raises(smtplib.SMTPException, match="No suitable authentication"):
            smtp.login(USER, PASSWORD)
        smtp.quit()


def test_managesieve_login_without_the_ssl_tlv_is_refused(ports_without_ssl_tlv: Ports, pki: Certificates) -> None:
    with connect_tls(ports_without_ssl_tlv["managesieve"], pki.client(), "127.0.0.34") as connection:
        sieve = ManageSieve(connection)
        with pytest.raises(SieveRefused):
            sieve.authenticate(USER, PASSWORD)
        sieve.logout()
