"""One question to a nameserver on loopback, with real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactor
from twisted.logger import capturedLogs
from twisted.names import dns
from twisted.trial.unittest import TestCase

from mailproxy.names.exchange import MAX_DATAGRAM, MAX_DATAGRAMS, Nameserver, Reply, SilenceError, ask
from mailproxy.names.question import Denied, Found, NoAnswerError
from tests.names.builders import A, a
from tests.names.nameserver import REACTOR, ClockedReactor, LoopbackNameserver, until

MANY = [a(f"192.0.2.{n}") for n in range(1, 101)]


class ExchangeTests(TestCase):
    """`ask`."""

    def setUp(self) -> None:
        self.nameserver = LoopbackNameserver()
        self.nameserver.records = [a()]
        self.addCleanup(lambda: self.nameserver.close())
        self.reactor: Any = ClockedReactor()

    def ask(self) -> Deferred[Reply]:
        return Deferred.fromCoroutine(ask(self.nameserver.address, A, 1.0, self.reactor))

    def assert_nothing_is_left(self) -> None:
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.readers == []

    async def refusal(self, asking: Deferred[Reply]) -> str:
        with pytest.raises(NoAnswerError) as raised:
            await asking
        return str(raised.value)

    async def test_answer_comes_over_udp(self) -> None:
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)
        assert self.nameserver.asked == [("udp", A.name, "A")]
        self.assert_nothing_is_left()

    async def test_unknown_name_is_denied(self) -> None:
        self.nameserver.records = []
        assert await self.ask() == Denied("NXDOMAIN")

    async def test_long_answer_comes_over_tcp(self) -> None:
        self.nameserver.records = MANY
        answer = await self.ask()
        assert isinstance(answer, Found)
        assert len(answer.values) == len(MANY)
        assert [transport for transport, _, _ in self.nameserver.asked] == ["udp", "tcp"]
        await until(lambda: not self.nameserver.connections)
        self.assert_nothing_is_left()

    async def test_silence_ends_with_the_time(self) -> None:
        self.nameserver.is_silent = True
        asking = self.ask()
        await until(lambda: self.nameserver.asked)
        self.reactor.advance(1.0)
        with pytest.raises(SilenceError, match="no answer within 1 s"):
            await asking
        self.assert_nothing_is_left()

    async def test_silence_over_tcp_ends_with_the_time(self) -> None:
        self.nameserver.records = MANY
        self.nameserver.is_silent_on_tcp = True
        asking = self.ask()
        await until(lambda: len(self.nameserver.asked) == 2)
        self.reactor.advance(1.0)
        assert await self.refusal(asking) == "no answer over TCP within 1 s"
        await until(lambda: not self.nameserver.connections)
        self.assert_nothing_is_left()

    async def test_failure_over_tcp_is_no_answer(self) -> None:
        self.nameserver.records = MANY
        self.nameserver.tcp_code = dns.ESERVER
        assert await self.refusal(self.ask()) == "SERVFAIL"

    async def test_answer_to_another_question_over_tcp_is_no_answer(self) -> None:
        self.nameserver.records = MANY
        self.nameserver.is_silent_on_tcp = True
        asking = self.ask()
        await until(lambda: len(self.nameserver.asked) == 2)
        for connection in self.nameserver.connections:
            # Twice: nobody waits for the second.
            connection.writeMessage(dns.Message(0, answer=1))
            connection.writeMessage(dns.Message(0, answer=1))
        assert await self.refusal(asking) == "no whole answer over TCP"

    async def test_closed_tcp_port_is_no_answer(self) -> None:
        self.nameserver.records = MANY
        await self.nameserver.close_tcp()
        assert "refused" in await self.refusal(self.ask())

    async def test_tcp_connection_that_ends_early_is_no_answer(self) -> None:
        self.nameserver.records = MANY
        self.nameserver.is_silent_on_tcp = True
        asking = self.ask()
        await until(lambda: len(self.nameserver.asked) == 2)
        for connection in self.nameserver.connections:
            connection.transport.abortConnection()
        assert await self.refusal(asking) == "closed TCP without an answer"

    async def test_nameserver_that_does_not_run_is_known_at_once(self) -> None:
        await self.nameserver.close()
        assert await self.refusal(self.ask()) == "Connection refused"
        self.assert_nothing_is_left()

    async def test_nameserver_out_of_reach_is_no_answer(self) -> None:
        nowhere = Nameserver(ip_address("255.255.255.255"))
        asking = Deferred.fromCoroutine(ask(nowhere, A, 1.0, self.reactor))
        assert await self.refusal(asking)
        self.assert_nothing_is_left()

    async def test_failure_is_no_answer(self) -> None:
        self.nameserver.code = dns.ESERVER
        assert await self.refusal(self.ask()) == "SERVFAIL"

    async def test_datagrams_that_are_no_answer_are_ignored(self) -> None:
        def disturb(reply: dns.Message) -> Iterator[bytes]:
            yield b""
            yield b"\xff" * 40
            wrong = dns.Message(reply.id ^ 1, answer=1, recAv=1)
            wrong.queries = reply.queries
            wrong.answers = [a("192.0.2.66")]
            yield wrong.toStr()
            wrong.id = reply.id
            wrong.queries = [dns.Query("other.example.org", dns.A)]
            yield wrong.toStr()

        self.nameserver.disturb = disturb
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def assert_logged(self, instead: bytes, remark: str) -> None:
        self.nameserver.is_silent = True
        self.nameserver.disturb = lambda reply: [instead]
        asking = self.ask()
        await until(lambda: self.nameserver.asked)
        await deferLater(REACTOR, 0)
        self.reactor.advance(1.0)
        assert await self.refusal(asking) == remark

    async def test_malformed_message_is_reported_when_nothing_else_came(self) -> None:
        remark = "malformed message of 2 bytes: octet 0: 12 octets expected, 2 are left"
        await self.assert_logged(b"no", remark)

    async def test_datagram_that_is_too_long_is_not_read(self) -> None:
        await self.assert_logged(bytes(MAX_DATAGRAM + 1), f"a datagram of more than {MAX_DATAGRAM} bytes")

    async def test_nameserver_that_sends_anything_but_an_answer_is_given_up(self) -> None:
        self.nameserver.is_silent = True
        self.nameserver.disturb = lambda reply: [b"no"] * MAX_DATAGRAMS
        reason = await self.refusal(self.ask())
        assert reason.startswith(f"{MAX_DATAGRAMS} datagrams without an answer: malformed message of 2 bytes")
        self.assert_nothing_is_left()

    async def test_as_many_disturbances_as_a_question_bears_do_not_hide_the_answer(self) -> None:
        self.nameserver.disturb = lambda reply: [b"no"] * (MAX_DATAGRAMS - 1)
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def test_other_answer_is_reported_when_nothing_else_came(self) -> None:
        await self.assert_logged(dns.Message(0, answer=1).toStr(), "an answer to another question")

    async def test_datagrams_of_strangers_do_not_arrive(self) -> None:
        stranger = REACTOR.listenUDP(0, DatagramProtocol(), interface="127.0.0.1")
        self.addCleanup(stranger.stopListening)

        def disturb(reply: dns.Message) -> list[bytes]:
            forged = dns.Message(reply.id, answer=1, recAv=1)
            forged.queries = reply.queries
            forged.answers = [a("192.0.2.66")]
            stranger.write(forged.toStr(), ("127.0.0.1", self.nameserver.peers[-1][1]))
            return []

        self.nameserver.disturb = disturb
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def test_each_question_has_an_id_and_a_port_of_its_own(self) -> None:
        for _ in range(8):
            await self.ask()
        ids, ports = map(set, zip(*self.nameserver.peers, strict=True))
        assert len(ids) > 4
        assert len(ports) > 4

    async def test_cancelled_question_leaves_nothing(self) -> None:
        self.nameserver.is_silent = True
        asking = self.ask()
        await until(lambda: self.nameserver.asked)
        asking.cancel()
        with pytest.raises(CancelledError):
            await asking
        self.assert_nothing_is_left()

    async def test_question_cancelled_while_it_connects_leaves_nothing(self) -> None:
        self.nameserver.records = MANY
        memory = MemoryReactor()
        self.reactor.connectTCP = memory.connectTCP
        asking = self.ask()
        await until(lambda: memory.connectors)
        asking.cancel()
        with pytest.raises(CancelledError):
            await asking
        assert memory.connectors[0].stoppedConnecting
        self.assert_nothing_is_left()

    async def test_log_stays_empty(self) -> None:
        self.nameserver.records = MANY
        with capturedLogs() as events:
            await self.ask()
            await until(lambda: not self.nameserver.connections)
        assert events == []
