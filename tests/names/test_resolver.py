"""All nameservers and the hosts file, with nameservers on loopback."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet.defer import Deferred, gatherResults
from twisted.names import dns
from twisted.trial.unittest import TestCase

from mailproxy.config import Resolvers
from mailproxy.names.question import Answer, Denied, Found, NoAnswerError, Question
from mailproxy.names.resolver import MAX_QUESTIONS_AT_ONCE, Resolver
from tests.names.builders import AAAA, NAME, SRV, A, a, aaaa, cname, srv
from tests.names.nameserver import ClockedReactor, LoopbackNameserver, until


class ResolverTests(TestCase):
    """`Resolver`."""

    def setUp(self) -> None:
        self.nameservers = [LoopbackNameserver(), LoopbackNameserver()]
        for nameserver in self.nameservers:
            nameserver.records = [a()]
            self.addCleanup(nameserver.close)
        self.first, self.second = self.nameservers
        self.reactor: Any = ClockedReactor()
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        directory = Path(temporary.name)
        self.hosts, self.resolv_conf = directory / "hosts", directory / "resolv.conf"
        self.resolver = self.make()

    def make(self, **settings: Any) -> Resolver:
        addresses = tuple((nameserver.address.host, nameserver.port) for nameserver in self.nameservers)
        return Resolver(
            Resolvers(**{"nameservers": addresses, **settings}),
            self.reactor,
            hosts=str(self.hosts),
            resolv_conf=str(self.resolv_conf),
        )

    def ask(self, question: Question = A) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self.resolver.ask(question))

    async def refusal(self, asking: Deferred[Answer]) -> str:
        with pytest.raises(NoAnswerError) as raised:
            await asking
        return str(raised.value)

    async def test_first_nameserver_is_asked(self) -> None:
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)
        assert self.second.asked == []

    async def test_second_nameserver_is_asked_when_the_first_fails(self) -> None:
        self.first.code = dns.EREFUSED
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def test_second_nameserver_is_asked_when_the_first_does_not_run(self) -> None:
        await self.first.close()
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def test_second_nameserver_is_asked_when_the_first_is_silent(self) -> None:
        self.first.is_silent = True
        asking = self.ask()
        await until(lambda: self.first.asked)
        self.reactor.advance(1.0)
        assert await asking == Found((ip_address("192.0.2.1"),), 60)

    async def test_nameserver_that_answered_is_asked_first_from_then_on(self) -> None:
        self.first.code = dns.ESERVER
        await self.ask()
        await self.ask()
        assert (len(self.first.asked), len(self.second.asked)) == (1, 2)

    async def test_silent_nameservers_are_asked_again(self) -> None:
        self.first.is_silent = self.second.is_silent = True
        asking = self.ask()
        for number in (1, 2, 3, 4):
            for nameserver in self.nameservers:
                await until(lambda: len(nameserver.asked) == number)  # noqa: B023  # awaited within the loop
                self.reactor.advance(1.0)
        assert (await self.refusal(asking)).count("no answer within 1 s") == 2

    async def test_without_retries_each_nameserver_is_asked_once(self) -> None:
        self.resolver = self.make(retries=0)
        self.first.is_silent = self.second.is_silent = True
        asking = self.ask()
        for nameserver in self.nameservers:
            await until(lambda: nameserver.asked)  # noqa: B023  # awaited within the loop
            self.reactor.advance(1.0)
        assert (await self.refusal(asking)).count("no answer within 1 s") == 2

    async def test_nameservers_that_fail_are_not_asked_again(self) -> None:
        self.first.code, self.second.code = dns.ESERVER, dns.EREFUSED
        reason = await self.refusal(self.ask())
        assert reason == f"127.0.0.1:{self.first.port}: SERVFAIL; 127.0.0.1:{self.second.port}: REFUSED"
        assert (len(self.first.asked), len(self.second.asked)) == (1, 1)

    async def test_denial_is_not_doubted(self) -> None:
        self.first.records = []
        assert await self.ask() == Denied("NXDOMAIN")
        assert self.second.asked == []

    async def test_alias_into_another_zone_is_asked_for(self) -> None:
        self.first.records = [cname("d1.example.net", ttl=20), a(name="d1.example.net", ttl=30)]
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 20)
        assert [name for _, name, _ in self.first.asked] == [NAME, "d1.example.net"]

    async def test_alias_to_what_has_no_records_is_denied(self) -> None:
        self.first.records = [cname("d1.example.net"), a(name="d1.example.net")]
        assert await self.ask(AAAA) == Denied("no AAAA records")

    async def test_cycle_of_aliases_ends(self) -> None:
        self.first.records = [cname("b.example.org"), cname(NAME, name="b.example.org")]
        assert await self.refusal(self.ask()) == "more than 8 aliases"

    async def test_hosts_file_comes_before_dns(self) -> None:
        self.hosts.write_text(f"192.0.2.7 {NAME}\n2001:db8::7 {NAME}\n")
        assert await self.ask() == Found((ip_address("192.0.2.7"),), 10)
        assert await self.ask(AAAA) == Found((ip_address("2001:db8::7"),), 10)
        assert self.first.asked == []

    async def test_name_in_the_hosts_file_is_known_whole(self) -> None:
        self.hosts.write_text(f"192.0.2.7 {NAME}\n")
        self.first.records = [aaaa()]
        assert await self.ask(AAAA) == Found((), 10)

    async def test_hosts_file_knows_no_services(self) -> None:
        self.hosts.write_text(f"192.0.2.7 {SRV.name}\n")
        self.first.records = [srv("d1.example.org")]
        assert isinstance(await self.ask(SRV), Found)
        assert self.first.asked

    async def test_changed_hosts_file_is_read(self) -> None:
        self.hosts.write_text(f"192.0.2.7 {NAME}\n")
        await self.ask()
        self.hosts.write_text("")
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)

    async def test_nameservers_of_the_machine_are_asked_without_configured_ones(self) -> None:
        self.resolver = self.make(nameservers=())
        # Broadcast: the kernel refuses, whatever the network.
        self.resolv_conf.write_text("nameserver 255.255.255.255\n")
        assert await self.refusal(self.ask()) == "255.255.255.255:53: Permission denied"
        self.resolv_conf.write_text("nameserver ::ffff:255.255.255.255\n")
        assert (await self.refusal(self.ask())).endswith(":53: Permission denied")

    async def test_questions_at_once_are_bounded(self) -> None:
        self.first.is_silent = True
        asking = [self.ask(Question(f"d{n}.example.org", "A")) for n in range(MAX_QUESTIONS_AT_ONCE + 9)]
        await until(lambda: len(self.first.asked) == MAX_QUESTIONS_AT_ONCE)
        assert len(self.reactor.readers) == MAX_QUESTIONS_AT_ONCE
        self.first.is_silent = False
        self.reactor.advance(1.0)
        await gatherResults(asking)
        assert self.reactor.readers == []

    async def test_cancelled_questions_make_room(self) -> None:
        self.first.is_silent = True
        asking = [self.ask(Question(f"d{n}.example.org", "A")) for n in range(MAX_QUESTIONS_AT_ONCE + 9)]
        for each in asking:
            each.addErrback(lambda failure: None)
            each.cancel()
        self.first.is_silent = False
        assert await self.ask() == Found((ip_address("192.0.2.1"),), 60)
