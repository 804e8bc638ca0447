"""HAProxy terminates TLS without a TLV for it: with `tls-offloaded-by`, Dovecot still accepts passwords."""

import imaplib
from typing import Any

import pytest

from tests.interop.certificates import Certificates
from tests.interop.clients import Imap, connect_tls
from tests.interop.conftest import StartFront, StartHAProxy
from tests.interop.dovecot import PASSWORD, USER, Dovecot
from tests.interop.front import backend, frontend
from tests.interop.haproxy import listen, tls_bind
from tests.interop.ports import free_port

CLIENT = "127.0.0.51"
HAPROXY = ["127.0.0.1"]


class Chain:
    """HAProxy with TLS, mailproxy without, and Dovecot."""

    def __init__(self, start: StartHAProxy, front: StartFront, pki: Certificates, dovecot: Dovecot) -> None:
        self._haproxy = start
        self._front = front
        self._pki = pki
        self._dovecot = dovecot

    def start(self, sending: str, **keys: Any) -> int:
        """Start the first two; the port that clients connect to."""
        port, outer = free_port(), free_port()
        self._front(
            {
                "frontend": {"imap": frontend(port, "dovecot", tls="none", **keys)},
                "backend": {"dovecot": backend(self._dovecot.ports["imap"], profile="dovecot")},
            }
        )
        self._haproxy([outer], listen(outer, port, bind=tls_bind(self._pki.server_ec), server=sending))
        return outer


@pytest.fixture
def chain(haproxy: StartHAProxy, front: StartFront, pki: Certificates, dovecot: Dovecot) -> Chain:
    return Chain(haproxy, front, pki, dovecot)


def test_password_of_a_client_in_version_1_is_taken(chain: Chain, pki: Certificates, dovecot: Dovecot) -> None:
    port = chain.start("send-proxy", accept_proxy=HAPROXY, tls_offloaded_by=HAPROXY)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        imap = Imap(connection)
        imap.login(USER, PASSWORD)
        client = connection.getsockname()
        login = dovecot.login("imap", client[:2])
        assert (login["rip"], login["secured"], login["auth_secured"]) == (CLIENT, "secured", "TLS")
        imap.logout()


def test_password_of_a_client_without_a_header_is_taken(chain: Chain, pki: Certificates) -> None:
    port = chain.start("", tls_offloaded_by=HAPROXY)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        imap = Imap(connection)
        assert imap.login(USER, PASSWORD)[0] == "OK"
        imap.logout()


@pytest.mark.parametrize(
    ("sending", "keys"),
    [
        ("send-proxy", {"accept_proxy": HAPROXY}),
        ("send-proxy", {"accept_proxy": HAPROXY, "tls_offloaded_by": ["127.0.0.51"]}),
        ("", {}),
    ],
    ids=["nobody vouches", "by the address of the header", "no header"],
)
def test_password_is_refused_where_nobody_vouches(
    chain: Chain, pki: Certificates, sending: str, keys: dict[str, Any]
) -> None:
    port = chain.start(sending, **keys)
    with connect_tls(port, pki.client(), CLIENT) as connection:
        imap = Imap(connection)
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            imap.login(USER, PASSWORD)
        imap.logout()
