"""Lists of revoked clients that change while the front runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from mailproxy.config import Config
from mailproxy.front.process_state import ProcessState
from mailproxy.front.revocations import Revocations
from mailproxy.tls import openssl
from mailproxy.tls.server import TlsServer
from mailproxy.tls.trust_files import read_trust, read_trusts
from tests.config.builders import read
from tests.tls.connect import Connect
from tests.tls.issue import Issued, issue, revocation_list
from tests.tls.servers import certificate
from tests.tls.test_client_certificates import showing

CLIENTS = issue(common_name="clients", authority=True)
ALICE = issue(common_name="alice", issuer=CLIENTS)


@pytest.fixture
def connect() -> Iterator[Connect]:
    made = Connect()
    yield made
    made.close()


class Here:
    """Work that runs at once, without a thread."""

    def do(self, work: Callable[[], Any]) -> Deferred[Any]:
        return execute(work)


class Bench:
    """A front with client certificates, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.ca, self.crl = folder / "ca.pem", folder / "ca.crl"
        self.ca.write_bytes(CLIENTS.certificate_pem)
        self.crl.write_bytes(revocation_list(CLIENTS))
        self.settings = self.read()
        self.process_state = ProcessState()
        self.clock = Clock()
        self.now = time.time() + 10  # when nothing has just changed
        self.revocations = Revocations(self.process_state, self.clock, Here(), now=lambda: self.now)  # type: ignore[arg-type]
        self.server = self.serve()
        self.follow(self.settings)

    def follow(self, settings: Config) -> None:
        self.revocations.follow(settings, read_trusts(settings)[0])

    def read(self, **keys: Any) -> Config:
        named = {"client_certificates": "required", "client_ca": str(self.ca), "client_crl": str(self.crl)}
        return read(**{f"tls__default__{key}": value for key, value in (named | keys).items()})

    def serve(self) -> TlsServer:
        profile = self.settings.tls["default"]
        return self.process_state.tls.get(profile, (certificate("mail.example.org"),), ("imap",), read_trust(profile))

    def revoke(self, *revoked: Issued, content: bytes | None = None) -> None:
        new = self.crl.with_suffix(".new")
        new.write_bytes(revocation_list(CLIENTS, *revoked) if content is None else content)
        os.replace(new, self.crl)


@pytest.fixture
def bench(tmp_path: Path, events: list[LogEvent]) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.revocations.stop()
    assert not made.clock.getDelayedCalls()
    assert not [event for event in events if "log_failure" in event]


@pytest.fixture
def events() -> Iterator[list[LogEvent]]:
    found: list[LogEvent] = []
    observer = cast(ILogObserver, found.append)
    globalLogPublisher.addObserver(observer)
    yield found
    globalLogPublisher.removeObserver(observer)


def written(events: list[LogEvent]) -> list[str]:
    return [formatEvent(event) for event in events]


def test_who_is_revoked_is_refused_after_a_look(bench: Bench, connect: Connect, events: list[LogEvent]) -> None:
    context = showing(ALICE)
    session = connect(bench.server, context).client.tls.session
    bench.revoke(ALICE)
    assert connect(bench.server, context, session=session).facts.resumed
    bench.clock.advance(60)
    for given in (session, None):
        refused = connect(bench.server, context, session=given)
        assert str(refused.error) == "the client's certificate verify failed: certificate revoked"
    assert written(events) == ["tls default: new files verify clients: 1 authority, 1 revoked"]


def test_list_with_a_time_in_the_future_is_used(bench: Bench, connect: Connect) -> None:
    bench.revoke(ALICE)
    ahead = bench.now + 86400
    os.utime(bench.crl, (ahead, ahead))
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).error is not None


def test_other_clients_continue_after_a_whole_handshake(bench: Bench, connect: Connect) -> None:
    context = showing(ALICE)
    session = connect(bench.server, context).client.tls.session
    bench.revoke(issue(common_name="bob", issuer=CLIENTS))
    bench.clock.advance(60)
    again = connect(bench.server, context, session=session)
    assert (again.facts.resumed, again.facts.verify) == (False, 0)
    assert connect(bench.server, context, session=again.client.tls.session).facts.resumed


def test_authority_that_is_gone_is_not_believed(bench: Bench, connect: Connect) -> None:
    other = issue(common_name="others", authority=True)
    bench.ca.write_bytes(other.certificate_pem)
    bench.crl.write_bytes(revocation_list(other))
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).error is not None
    theirs = connect(bench.server, showing(issue(common_name="bob", issuer=other)))
    assert theirs.facts.verify == 0
    assert openssl.lib.sk_X509_NAME_num(openssl.lib.SSL_get_client_CA_list(theirs.stream.ssl)) == 1


def test_broken_list_is_reported_once_and_the_former_stays(
    bench: Bench, connect: Connect, events: list[LogEvent]
) -> None:
    bench.revoke(content=b"half a list")
    for _ in range(3):
        bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).facts.verify == 0
    assert written(events) == [
        f"tls default: client-crl: {bench.crl}: has no revocation list (no -----BEGIN X509 CRL-----, and no DER); the "
        "previous file stays in use"
    ]
    bench.revoke(ALICE)
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).error is not None


def test_expired_list_is_a_warning(bench: Bench, events: list[LogEvent]) -> None:
    bench.revoke(content=revocation_list(CLIENTS, days=-1))
    bench.clock.advance(60)
    assert "all clients of CN=clients are refused" in written(events)[-1]


def test_list_that_expires_is_reported_once(bench: Bench, events: list[LogEvent]) -> None:
    for day in range(10):
        bench.now = time.time() + day * 86400
        bench.clock.advance(60)
    assert [line.partition(" on ")[0] for line in written(events)] == [f"{bench.crl}: expired"]


def test_warning_of_the_start_is_not_repeated(bench: Bench, events: list[LogEvent]) -> None:
    bench.revoke(content=revocation_list(CLIENTS, days=-1))
    bench.follow(bench.settings)
    bench.clock.advance(60)
    assert not [line for line in written(events) if "expired" in line]


def test_file_that_has_just_changed_is_left_to_its_writer(bench: Bench, connect: Connect) -> None:
    bench.revoke(ALICE)
    bench.now = bench.crl.stat().st_mtime + 1
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).facts.verify == 0
    bench.now += 10
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).error is not None


def test_first_look_reads_what_has_changed_since_the_configuration_was_read(bench: Bench, connect: Connect) -> None:
    trusts, _ = read_trusts(bench.settings)
    bench.revoke(ALICE)
    bench.revocations.follow(bench.settings, trusts)
    bench.clock.advance(60)
    assert connect(bench.server, showing(ALICE)).error is not None


def test_files_that_are_the_same_change_nothing(bench: Bench, connect: Connect, events: list[LogEvent]) -> None:
    context = showing(ALICE)
    session = connect(bench.server, context).client.tls.session
    os.utime(bench.crl, (1, 1))
    bench.clock.advance(60)
    assert connect(bench.server, context, session=session).facts.resumed
    assert not events


def test_rhythm_is_the_profile_s(bench: Bench, connect: Connect) -> None:
    bench.settings = bench.read(watch="10s")
    bench.follow(bench.settings)
    bench.revoke(ALICE)
    bench.clock.advance(10)
    assert connect(bench.server, showing(ALICE)).error is not None


def test_nothing_is_looked_at_without_a_watch(bench: Bench) -> None:
    bench.follow(bench.read(watch="0s"))
    assert not bench.clock.getDelayedCalls()


def test_profile_that_asks_for_no_certificate_is_not_watched(bench: Bench) -> None:
    bench.follow(bench.read(client_certificates="none"))
    assert not bench.clock.getDelayedCalls()


def test_reload_afterwards_serves_what_is_on_disk(bench: Bench, connect: Connect) -> None:
    previous = bench.crl.read_bytes()
    bench.revoke(ALICE)
    bench.clock.advance(60)
    bench.revoke(content=previous)
    assert connect(bench.serve(), showing(ALICE)).facts.verify == 0
