"""Dovecot behind frontends with STARTTLS: it gets the same facts as with implicit TLS."""

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import Imap, Lmtp, ManageSieve, Pop3, Submission, connect
from tests.interop.conftest import StartFront
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.relay import Relay
from tests.interop.test_dovecot import LETTER, SOURCES, Ports, front_of, secured_login

MODES = ["starttls", "starttls-optional"]


@pytest.fixture(scope="module", params=MODES)
def ports(request: pytest.FixtureRequest, module_front: StartFront, dovecot: Dovecot, pki: Certificates) -> Ports:
    return front_of(dovecot, module_front, {"certificates": [str(pki.server_ec)]}, request.param)


@pytest.fixture(scope="module")
def ports_before_tls(module_front: StartFront, tls_dovecot: Dovecot, pki: Certificates) -> Ports:
    """Before a Dovecot that offers TLS itself."""
    return front_of(tls_dovecot, module_front, {"certificates": [str(pki.server_ec)]}, "starttls")


@pytest.mark.parametrize("source", SOURCES)
def test_imap_login_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    imap = Imap(connect(ports["imap"], source))
    imap.starttls(pki.client())
    imap.login(USER, PASSWORD)
    assert imap.select("INBOX")[0] == "OK"
    assert dovecot.login("imap", imap.sock.getsockname()[:2]) == secured_login(imap.sock)
    imap.logout()


@pytest.mark.parametrize("source", SOURCES)
def test_pop3_login_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    pop3 = Pop3(connect(ports["pop3"], source))
    pop3.stls(pki.client())
    pop3.user(USER)
    assert pop3.pass_(PASSWORD).startswith(b"+OK")
    assert dovecot.login("pop3", pop3.sock.getsockname()[:2]) == secured_login(pop3.sock)
    pop3.quit()


@pytest.mark.parametrize("source", SOURCES)
def test_submission_login_shows_the_client_and_the_message_is_relayed(
    ports: Ports, dovecot: Dovecot, pki: Certificates, relay: Relay, source: str
) -> None:
    subject = f"submitted after STARTTLS from {source}".encode()
    with Submission(connect(ports["submission"], source)) as smtp:
        smtp.starttls(context=pki.client())
        smtp.user, smtp.password = USER, PASSWORD
        smtp.ehlo()
        smtp.auth("PLAIN", smtp.auth_plain)
        smtp.sendmail("alice@example.org", ["bob@example.org"], LETTER % subject)
        assert smtp.sock is not None
        assert dovecot.login("submission", smtp.sock.getsockname()[:2]) == secured_login(smtp.sock)
    assert any(subject in message for message in relay.messages)


@pytest.mark.parametrize("source", SOURCES)
def test_lmtp_delivery_shows_the_client(ports: Ports, dovecot: Dovecot, pki: Certificates, source: str) -> None:
    subject = f"delivered after STARTTLS from {source} to {ports['lmtp']}".encode()
    with Lmtp(connect(ports["lmtp"], source)) as lmtp:
        lmtp.starttls(context=pki.client())
        lmtp.sendmail("bob@example.org", [USER], LETTER % subject)
    letter = dovecot.delivered(USER, lambda message: subject in message)
    assert f"Received: from client.test ([{source}])".encode() in letter


@pytest.mark.parametrize("source", SOURCES)
def test_managesieve_upload_shows_the_client_and_is_secured(
    ports: Ports, dovecot: Dovecot, pki: Certificates, source: str
) -> None:
    name = f"starttls-from-{source.replace(':', '-')}"
    sieve = ManageSieve(connect(ports["managesieve"], source))
    sieve.starttls(pki.client())
    sieve.authenticate(USER, PASSWORD)
    sieve.put_script(name, b"keep;\r\n")
    assert name in sieve.list_scripts()
    assert dovecot.login("managesieve", sieve.sock.getsockname()[:2]) == secured_login(sieve.sock)
    sieve.logout()


def test_imap_works_before_a_dovecot_with_tls_of_its_own(ports_before_tls: Ports, pki: Certificates) -> None:
    imap = Imap(connect(ports_before_tls["imap"]))
    imap.starttls(pki.client())
    imap.login(USER, PASSWORD)
    assert imap.select("INBOX")[0] == "OK"
    imap.logout()


def test_pop3_works_before_a_dovecot_with_tls_of_its_own(ports_before_tls: Ports, pki: Certificates) -> None:
    pop3 = Pop3(connect(ports_before_tls["pop3"]))
    pop3.stls(pki.client())
    pop3.user(USER)
    assert pop3.pass_(PASSWORD).startswith(b"+OK")
    pop3.quit()


def test_submission_works_before_a_dovecot_with_tls_of_its_own(
    ports_before_tls: Ports, pki: Certificates, relay: Relay
) -> None:
    with Submission(connect(ports_before_tls["submission"])) as smtp:
        smtp.starttls(context=pki.client())
        smtp.login(USER, PASSWORD)
        smtp.sendmail("alice@example.org", ["bob@example.org"], LETTER % b"before TLS of its own")
    assert any(b"before TLS of its own" in message for message in relay.messages)


def test_lmtp_works_before_a_dovecot_with_tls_of_its_own(
    ports_before_tls: Ports, tls_dovecot: Dovecot, pki: Certificates
) -> None:
    with Lmtp(connect(ports_before_tls["lmtp"])) as lmtp:
        lmtp.starttls(context=pki.client())
        lmtp.sendmail("bob@example.org", [USER], LETTER % b"before TLS of its own")
    assert tls_dovecot.delivered(USER, lambda message: b"before TLS of its own" in message)


def test_managesieve_lists_no_starttls_before_a_dovecot_with_tls_of_its_own(
    ports_before_tls: Ports, pki: Certificates
) -> None:
    sieve = ManageSieve(connect(ports_before_tls["managesieve"]))
    assert '"STARTTLS"' in sieve.capabilities
    sieve.starttls(pki.client())
    assert any(line.startswith('"SASL" "PLAIN') for line in sieve.capabilities)
    assert '"STARTTLS"' not in sieve.capabilities
    sieve.authenticate(USER, PASSWORD)
    sieve.logout()
