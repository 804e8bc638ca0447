"""Names from end to end: a nameserver on loopback, with time that a test moves."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs, formatEvent
from twisted.names import dns
from twisted.trial.unittest import TestCase

from mailproxy.config import NamedServer, Resolvers, SrvServer
from mailproxy.names.names import Following, Names
from mailproxy.names.record import Record
from mailproxy.names.trouble import REPORT_SECONDS
from mailproxy.names.watch import CONFIRMATIONS
from tests.names.builders import NAME, SRV, a, aaaa, cname, record, srv
from tests.names.nameserver import REACTOR, ClockedReactor, LoopbackNameserver, until

HOST = NamedServer(NAME)
SERVICE = SrvServer(SRV.name)


class NamesTests(TestCase):
    """`Names`."""

    def setUp(self) -> None:
        self.nameserver = LoopbackNameserver()
        self.addCleanup(self.nameserver.close)
        self.reactor: Any = ClockedReactor()
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.hosts = Path(temporary.name) / "hosts"
        self.names = Names(
            Resolvers(nameservers=((self.nameserver.address.host, self.nameserver.port),)),
            self.reactor,
            hosts=str(self.hosts),
        )
        self.addCleanup(self.names.stop)
        self.reported: list[tuple[Record, ...]] = []
        logs = capturedLogs()
        self.events: Any = logs.__enter__()
        self.addCleanup(logs.__exit__, None, None, None)

    def follow(self, address: NamedServer | SrvServer = HOST, prefer: Any = "ipv6") -> Following:
        return self.names.follow(address, prefer, self.reported.append)

    def lines(self) -> list[str]:
        return [formatEvent(event) for event in self.events]

    async def known(self, address: NamedServer | SrvServer = HOST, prefer: Any = "ipv6") -> tuple[Record, ...]:
        """Follow a name, and return its first view."""
        self.follow(address, prefer)
        self.reactor.advance(0)
        await self.settled()
        return self.reported[-1]

    async def later(self, seconds: float) -> None:
        """Advance the clock, and answer the questions that are due."""
        self.reactor.advance(seconds)
        await self.settled()

    async def settled(self) -> None:
        while self.reactor.readers:
            await deferLater(REACTOR, 0.002)
            # Targets of a service are asked for as soon as they are known.
            self.reactor.advance(0)

    async def test_addresses_come_after_the_start(self) -> None:
        self.nameserver.records = [a()]
        self.follow()
        assert self.reported == []
        assert self.nameserver.asked == []
        self.reactor.advance(0)
        await until(lambda: self.reported)
        assert self.reported == [(record("192.0.2.1"),)]

    async def test_port_of_the_server_is_part_of_its_records(self) -> None:
        self.nameserver.records = [a()]
        assert await self.known(NamedServer(NAME, 10143)) == (record("192.0.2.1", 10143),)

    async def test_preferred_family_decides(self) -> None:
        self.nameserver.records = [a(), aaaa()]
        assert await self.known(prefer="ipv4") == (record("192.0.2.1"),)
        assert await self.known(prefer="ipv6") == (record("2001:db8::1"),)

    async def test_family_that_fails_does_not_hide_the_other(self) -> None:
        self.nameserver.records = [a(), aaaa()]
        self.nameserver.failing_types = {dns.AAAA}
        assert await self.known() == (record("192.0.2.1"),)

    async def test_family_that_failed_is_taken_when_it_comes(self) -> None:
        self.nameserver.records = [a(), aaaa()]
        self.nameserver.failing_types = {dns.AAAA}
        await self.known()
        self.nameserver.failing_types = set()
        await self.later(1.0)
        assert self.reported == [(record("192.0.2.1"),), (record("2001:db8::1"),)]

    async def test_alias_is_followed(self) -> None:
        self.nameserver.records = [cname("d1.example.net"), a(name="d1.example.net")]
        assert await self.known() == (record("192.0.2.1"),)

    async def test_service_is_resolved_to_its_targets(self) -> None:
        self.nameserver.records = [
            srv("d1.example.org", 10143, priority=10, weight=30),
            srv("d2.example.org", 10144, priority=20, weight=0),
            a("192.0.2.1", name="d1.example.org"),
            aaaa("2001:db8::2", name="d2.example.org"),
        ]
        assert await self.known(SERVICE) == (
            record("192.0.2.1", 10143, 30),
            record("2001:db8::2", 10144, 1, backup=True),
        )
        assert self.reported == [self.reported[0]]
        assert self.lines() == [
            f"srv:{SRV.name}: not resolved -> 192.0.2.1:10143 (weight 30), [2001:db8::2]:10144 (weight 1, backup)"
        ]

    async def test_long_service_comes_over_tcp(self) -> None:
        self.nameserver.records = [srv(f"d{n}.example.org") for n in range(60)] + [
            a(f"192.0.2.{n}", name=f"d{n}.example.org") for n in range(60)
        ]
        self.follow(SERVICE)
        self.reactor.advance(0)
        await until(lambda: self.reactor.advance(0) or self.reported)
        assert len(self.reported[0]) == 60

    async def test_service_that_is_not_available_has_no_servers(self) -> None:
        self.nameserver.records = [srv("", 0)]
        assert await self.known(SERVICE) == ()
        assert self.lines() == [f"srv:{SRV.name}: not resolved -> none (service not available)"]

    async def test_change_is_reported_and_logged_once_for_all_who_follow(self) -> None:
        self.nameserver.records = [a()]
        for port in (143, 110, 24):
            self.follow(NamedServer(NAME, port))
        await self.later(0)
        self.nameserver.records = [a("192.0.2.2"), a("192.0.2.3")]
        await self.later(60.0)
        assert [each[0].port for each in self.reported] == [143, 110, 24] * 2
        assert self.reported[-1] == (record("192.0.2.2", 24), record("192.0.2.3", 24))
        assert self.lines() == [
            f"{NAME}: not resolved -> 192.0.2.1",
            f"{NAME}: 192.0.2.1 -> 192.0.2.2, 192.0.2.3",
        ]

    async def test_name_is_asked_for_once_for_all_who_follow(self) -> None:
        self.nameserver.records = [a(), srv(NAME)]
        for port in (143, 110, 24):
            self.follow(NamedServer(NAME, port))
            self.follow(NamedServer(NAME.upper(), port), "ipv4")
            self.follow(SERVICE)
        await self.later(0)
        assert [self.nameserver.count(type) for type in ("A", "AAAA", "SRV")] == [1, 1, 1]

    async def test_late_follower_gets_what_is_known(self) -> None:
        self.nameserver.records = [a()]
        await self.known()
        self.follow(NamedServer(NAME, 110))
        assert len(self.reported) == 1
        self.reactor.advance(0)
        assert self.reported[1:] == [(record("192.0.2.1", 110),)]
        assert self.nameserver.count("A") == 1

    async def test_order_alone_is_no_change(self) -> None:
        self.nameserver.records = [a("192.0.2.1"), a("192.0.2.2")]
        await self.known()
        self.nameserver.records.reverse()
        await self.later(60.0)
        assert self.nameserver.count("A") == 2
        assert len(self.reported) == 1

    async def test_last_good_answer_stays_while_dns_fails(self) -> None:
        self.nameserver.records = [a()]
        await self.known()
        self.nameserver.code = dns.ESERVER
        for _ in range(40):
            await self.later(30.0)
        assert len(self.reported) == 1

    async def test_dns_that_fails_is_logged_when_it_begins_and_ends(self) -> None:
        self.nameserver.records = [a(), aaaa()]
        await self.known()
        self.nameserver.code = dns.ESERVER
        for _ in range(40):
            await self.later(30.0)
        self.nameserver.code = dns.OK
        await self.later(30.0)
        await self.later(REPORT_SECONDS)
        where = f"127.0.0.1:{self.nameserver.port}"
        assert self.lines()[1:] == [
            f"DNS fails for {NAME} A, {NAME} AAAA: {where}: SERVFAIL; the last good answers stay",
            f"DNS works again for {NAME} A, {NAME} AAAA",
        ]

    async def test_name_that_vanishes_is_held_and_then_reported(self) -> None:
        self.nameserver.records = [a()]
        await self.known()
        self.nameserver.records = []
        await self.later(60.0)
        for _ in range(CONFIRMATIONS):
            assert len(self.reported) == 1
            await self.later(Resolvers().hold_nx / CONFIRMATIONS)
        assert self.reported[1:] == [()]
        assert self.lines()[-1] == f"{NAME}: 192.0.2.1 -> none (NXDOMAIN)"

    async def test_transient_denial_changes_nothing(self) -> None:
        self.nameserver.records = [a()]
        await self.known()
        records, self.nameserver.records = self.nameserver.records, []
        await self.later(60.0)
        self.nameserver.records = records
        await self.later(Resolvers().hold_nx / CONFIRMATIONS)
        await self.later(60.0)
        assert len(self.reported) == 1
        assert len(self.lines()) == 1

    async def test_hosts_file_is_honoured_and_followed(self) -> None:
        self.hosts.write_text(f"192.0.2.7 {NAME}\n")
        assert await self.known() == (record("192.0.2.7"),)
        self.hosts.write_text(f"192.0.2.77 {NAME}\n")
        await self.later(10.0)
        assert self.reported[-1] == (record("192.0.2.77"),)
        assert self.nameserver.asked == []

    async def test_stop_while_asking_leaves_nothing(self) -> None:
        self.nameserver.is_silent = True
        for n in range(50):
            self.follow(NamedServer(f"d{n}.example.org"))
        self.follow(SERVICE)
        self.reactor.advance(0)
        await until(lambda: self.nameserver.asked)
        self.names.stop()
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.readers == []
        assert self.reported == []

    async def test_stop_between_questions_leaves_nothing(self) -> None:
        self.nameserver.records = [srv("d1.example.org"), a(name="d1.example.org"), a()]
        await self.known()
        await self.known(SERVICE)
        self.follow()
        self.names.stop()
        assert self.reactor.getDelayedCalls() == []
        assert self.reactor.readers == []

    async def test_stop_while_dns_fails_leaves_nothing(self) -> None:
        self.nameserver.code = dns.ESERVER
        self.follow()
        await self.later(0)
        self.names.stop()
        assert self.reactor.getDelayedCalls() == []

    async def test_name_that_nobody_follows_is_not_asked_for(self) -> None:
        self.nameserver.records = [a()]
        following = self.follow()
        await self.later(0)
        following.stop()
        following.stop()
        assert self.reactor.getDelayedCalls() == []

    async def test_follower_may_stop_when_it_is_called(self) -> None:
        self.nameserver.records = [a()]

        def changed(records: tuple[Record, ...]) -> None:
            self.reported.append(records)
            following.stop()

        following = self.names.follow(HOST, "ipv6", changed)
        await self.later(0)
        assert len(self.reported) == 1
        assert self.reactor.getDelayedCalls() == []

    async def test_follower_may_stop_another_when_it_is_called(self) -> None:
        self.nameserver.records = [a()]
        followings: list[Following] = []

        def changed(records: tuple[Record, ...]) -> None:
            self.reported.append(records)
            for following in followings:
                following.stop()

        followings += [self.names.follow(HOST, "ipv6", changed) for _ in range(2)]
        await self.later(0)
        assert len(self.reported) == 1

    async def test_bug_of_one_follower_is_logged_and_hurts_no_other(self) -> None:
        self.nameserver.records = [a()]

        def changed(records: tuple[Record, ...]) -> None:
            raise ZeroDivisionError

        self.names.follow(HOST, "ipv6", changed)
        assert await self.known() == (record("192.0.2.1"),)
        assert self.lines()[-1] == f"bug in a follower of {NAME}"
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1  # type: ignore[no-untyped-call]  # Twisted has none

    async def test_what_is_no_name_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no name that DNS can be asked for"):
            self.follow(NamedServer("a b"))
