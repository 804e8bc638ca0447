"""A protocol is one value: with a made-up one in the table, everything speaks it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailproxy.checks.connection import ConnectionEnd
from mailproxy.checks.mail import MailProbe, login_probes, mail_probes
from mailproxy.mail.backend.account import Account, Login
from mailproxy.mail.backend.talk import Talk, Unexpected, exchange
from mailproxy.mail.capabilities import Offer
from mailproxy.mail.probe import CapabilityProbe
from mailproxy.mail.protocol import Protocol
from mailproxy.mail.protocols import PROTOCOLS
from mailproxy.mail.script import Answer, Reaction, Script
from mailproxy.session.relay import Relay
from tests.config.builders import problem, read
from tests.session.bench import Bench, open_bench

OFFER = Offer(
    syntax=re.compile(rb"(?P<name>[A-Z]+)"),
    builtin=(b"GOSSIP",),
    mandatory=(),
    private=frozenset({b"SEAL"}),
    refused=frozenset({b"TELL"}),
    starttls=(b"SEAL",),
    refusal=(),
)


class GossipScript(Script):
    """SEAL begins TLS."""

    def __init__(self, host: bytes, capabilities: tuple[bytes, ...] | None, *, optional: bool) -> None:
        self.greeting = b"HI %s %s\r\n" % (host, b",".join(OFFER.announced(capabilities, optional=optional)))

    def answer(self, line: bytes) -> Answer:
        return Answer(b"YES\r\n", Reaction.START_TLS) if line == b"SEAL" else Answer(b"NO\r\n", Reaction.FAIL)

    def closing(self, text: str) -> bytes:
        return b"OUT %s\r\n" % text.encode()

    def late(self) -> bytes:
        return b"OUT late\r\n"


def expect(sent: bytes, begin: bytes) -> Talk[bytes]:
    line = yield from exchange(sent, "gossip", begin.decode())
    if not line.startswith(begin):
        raise Unexpected("gossip", begin.decode(), line)
    return line


def greet() -> Talk[bytes]:
    yield from expect(b"", b"HI")
    return b""


def learn(host: bytes) -> Talk[tuple[bytes, ...]]:
    line = yield from expect(b"", b"HI")
    return tuple(line.split()[-1].split(b","))


def login(login: Login) -> Talk[None]:
    yield from greet()
    yield from expect(b"ME %s %s\r\n" % (login.account.user, login.account.password), b"YES")


def part() -> Talk[None]:
    yield from expect(b"BYE\r\n", b"BYE")


GOSSIP = Protocol(
    name="gossip",
    script=GossipScript,
    offer=OFFER,
    line=100,
    greet=greet,
    first_line=re.compile(rb"HI[^\n]*\n"),
    learn=learn,
    login=login,
    login_shows="gossiped",
    part=part,
    takes_passwords=lambda capabilities: b"ME" in capabilities,
    refusal=b"OUT again\r\n",
    refusal_form=b"OUT again %s\r\n",
    permanent_form=b"OUT %s\r\n",
    server_refusal=re.compile(rb"^OUT(?P<temporary> again)?[^\n]*", re.MULTILINE),
    says_goodbye=True,
    refuses_when_asked=False,
)


@pytest.fixture(autouse=True)
def in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROTOCOLS, GOSSIP.name, GOSSIP)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A frontend with STARTTLS."""
    with open_bench(tmp_path, tls=True, mode="starttls", protocol="gossip", backend={"retries": 0}) as made:
        yield made


def test_configuration_accepts_the_new_protocol() -> None:
    config = read(
        frontend__imaps__protocol="gossip",
        frontend__imaps__tls="starttls",
        backend__dovecot__server__d1__address="10.0.0.1",
        backend__dovecot__ports={"gossip": 17},
    )
    assert config.frontends[0].protocol == "gossip"
    assert str(config.backends["dovecot"].address(config.backends["dovecot"].servers[0], "gossip")) == "10.0.0.1:17"


def test_configuration_suggests_the_new_protocol() -> None:
    assert problem(frontend__imaps__protocol="gosip").endswith('; did you mean "gossip"?')


def test_client_is_greeted_and_a_server_takes_over(bench: Bench) -> None:
    greeted = bench.client()
    bench.until(lambda: greeted.data == b"HI mail.example.org GOSSIP,SEAL\r\n")
    greeted.end()
    bench.over()
    client = bench.starttls_client(b"SEAL\r\n")
    server = bench.server.accept(b"HI server\r\n")
    bench.until(lambda: isinstance(bench.session.stage, Relay))
    client.send(b"TELL me\r\n")
    bench.until(lambda: server.data == b"TELL me\r\n")
    server.send(b"YES\r\n")
    bench.until(lambda: client.data == b"YES\r\n")


@pytest.mark.parametrize(("sent", "shown_line"), [(b"OUT for good\r\n", b"OUT for good\r\n"), (b"", b"OUT again\r\n")])
def test_client_without_a_server_is_answered_in_its_words(bench: Bench, sent: bytes, shown_line: bytes) -> None:
    client = bench.starttls_client(b"SEAL\r\n")
    server = bench.server.accept(sent)
    if not sent:
        server.end()
    bench.until(lambda: client.fin)
    assert client.data == shown_line


def test_capabilities_are_learned() -> None:
    probe = CapabilityProbe("gossip", b"mail.example.org")
    assert probe.receive(b"HI server TELL,ME\r\n") == b"BYE\r\n"
    probe.receive(b"BYE\r\n")
    assert probe.done
    assert probe.capabilities == (b"TELL", b"ME")
    assert GOSSIP.takes_passwords(probe.capabilities)


def shown(probe: MailProbe, *sent: tuple[bytes, bytes]) -> str:
    """The exchange of a check that gets each line and sends each answer."""
    for line, answer in sent:
        assert probe.receive(line) == answer
    assert probe.done
    return probe.outcome(ConnectionEnd("answer", "", is_late=False, seconds=0.1)).reason


def test_checks_speak_the_new_protocol() -> None:
    account = Login(Account.of("probe", "secret"), None, b"mail.example.org")
    assert shown(mail_probes("gossip")(), (b"HI\r\n", b"BYE\r\n"), (b"BYE\r\n", b"")) == "greeted"
    assert (
        shown(
            login_probes("gossip", account)(),
            (b"HI\r\n", b"ME probe secret\r\n"),
            (b"YES\r\n", b"BYE\r\n"),
            (b"BYE\r\n", b""),
        )
        == "gossiped"
    )
