"""Bans by administrators: `ban`, `unban` and `show bans`."""

from __future__ import annotations

import time
from ipaddress import ip_network
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from mailproxy.bans import bans as bans_module
from mailproxy.config import Frontend
from mailproxy.config.condition import Condition
from mailproxy.config.condition_numbers import SourceRate
from mailproxy.config.limits import Limits
from mailproxy.config.rate import Rate
from mailproxy.config.refuse import Refuse
from mailproxy.config.rule import Rule
from mailproxy.control.ban_status import ban_of
from mailproxy.control.questions import KickClients, answer_question
from mailproxy.front import kicks
from mailproxy.networks.network_list import NetworkList
from mailproxy.networks.network_set import NetworkSet
from tests.bans.builders import ban, key
from tests.control.bench import Admin, admin_of
from tests.control.conftest import Make
from tests.running import ANY_PORT, Running

HERE = "127.0.0.1"


@pytest.fixture
def running(make: Make) -> Running:
    return make()


@pytest.fixture
def admin(running: Running) -> Admin:
    return admin_of(running.service, running.reactor)


def connections(running: Running) -> int:
    return running.service.frontends[0].counters.connections


def test_banned_client_has_no_session_until_it_is_unbanned(running: Running, admin: Admin) -> None:
    assert admin.reply("ban", network=HERE) == "127.0.0.1 is banned until it is unbanned"
    client = running.client()
    running.until(lambda: client.fin or client.reset)
    assert connections(running) == 0
    assert admin.reply("unban", banned=HERE) == "127.0.0.1 is not banned any more (it was by ctl)"
    running.relay()
    assert connections(running) == 1


def test_exempt_client_is_never_banned(make: Make) -> None:
    running = make(limits=Limits(exempt=(ip_network("127.0.0.0/8"),)))
    words = "{} [limits] exempt, whose clients get in nevertheless"
    admin = admin_of(running.service, running.reactor)
    reply = admin.reply("ban", network=HERE)
    assert reply == f"127.0.0.1 is banned until it is unbanned, but it {words.format('is in')}"
    reply = admin.reply("ban", network="127.0.0.0/8")
    assert reply == f"127.0.0.0/8 is banned until it is unbanned, but it {words.format('has addresses of')}"
    assert "exempt" not in admin.reply("ban", network="192.0.2.7")
    running.relay()


def test_ban_for_a_time_ends(running: Running, admin: Admin) -> None:
    assert admin.reply("ban", network=HERE, time="10m") == "127.0.0.1 is banned for 10m"
    running.reactor.advance(599.0)
    client = running.client()
    running.until(lambda: client.fin or client.reset)
    assert connections(running) == 0
    running.reactor.advance(2.0)
    running.relay()
    assert connections(running) == 1


def test_ban_is_shown(running: Running, admin: Admin) -> None:
    admin.reply("ban", network="192.0.2.0/24", time="10m", reason="too many\nfailures")
    running.reactor.advance(30.0)
    (row,) = admin.rows("show bans")
    assert row == {
        "type": "row",
        "network": "192.0.2.0/24",
        "origin": "ctl",
        "since_s": pytest.approx(30.0, abs=0.1),
        "left_s": pytest.approx(570.0, abs=0.1),
        "reason": r"too many\nfailures",
    }


def test_bans_are_filtered(running: Running, admin: Admin) -> None:
    for network in ("192.0.2.0/24", "198.51.100.7", "2001:db8::/32"):
        admin.reply("ban", network=network)
    running.service.bans.bans.ban(ban("203.0.113.9", origin="crowdsec"))
    assert [row["network"] for row in admin.rows("show bans", client="192.0.2.7")] == ["192.0.2.0/24"]
    assert [row["network"] for row in admin.rows("show bans", client="::/0")] == ["2001:db8::/32"]
    assert [row["network"] for row in admin.rows("show bans", origin="crowdsec")] == ["203.0.113.9"]
    assert admin.rows("show bans", client="unix") == []


def test_ended_ban_is_not_shown(running: Running, admin: Admin) -> None:
    admin.reply("ban", network=HERE, time="1ms")
    running.reactor.advance(0.1)
    assert admin.rows("show bans") == []


def test_address_without_a_ban_is_explained(admin: Admin) -> None:
    assert admin.reply("unban", banned=HERE) == "127.0.0.1 is not banned; `show bans` lists all bans"
    admin.reply("ban", network="127.0.0.0/8")
    assert admin.reply("unban", banned=HERE) == (
        "127.0.0.1 has no ban of its own; it is in 127.0.0.0/8, which is banned: unban 127.0.0.0/8"
    )


def test_unban_of_an_address_names_the_banned_network_that_has_it(admin: Admin) -> None:
    admin.reply("ban", network="127.0.9.0/24", time="1h")
    admin.reply("ban", network="127.0.9.80", time="1h")
    assert admin.reply("unban", banned="127.0.9.80") == (
        "127.0.9.80 is not banned any more (it was by ctl), but is in 127.0.9.0/24, which is banned: unban 127.0.9.0/24"
    )
    assert admin.reply("unban", banned="127.0.9.0/24") == "127.0.9.0/24 is not banned any more (it was by ctl)"


def test_ban_of_a_program_is_apart_from_one_by_hand(running: Running, admin: Admin) -> None:
    admin.reply("ban", network=HERE, time="2h", reason="by me")
    reply = admin.reply("ban", network=HERE, time="1h", reason="jail imaps", origin="fail2ban")
    assert reply == "127.0.0.1 is banned by fail2ban for 1h"
    assert [row["reason"] for row in admin.rows("show bans", origin="fail2ban")] == ["jail imaps"]
    assert admin.reply("unban", banned=HERE, origin="fail2ban") == (
        "127.0.0.1 is not banned by fail2ban any more, but still by ctl"
    )
    assert admin.reply("unban", banned=HERE, origin="fail2ban") == "127.0.0.1 is not banned by fail2ban, but by ctl"
    assert [row["reason"] for row in admin.rows("show bans")] == ["by me"]
    assert admin.reply("unban", banned=HERE, origin="ctl") == "127.0.0.1 is not banned any more (it was by ctl)"


@pytest.mark.parametrize("origin", ["rule", "crowdsec", "list"])
def test_program_has_no_name_of_other_origins(admin: Admin, origin: str) -> None:
    words = f'ORIGIN is "{origin}", which is the origin of other bans; use another name'
    assert admin.reply("ban", network=HERE, origin=origin) == words


@pytest.fixture
def listed(running: Running) -> None:
    """A list has 192.0.2.0/24."""
    networks = NetworkSet.of([ip_network("192.0.2.0/24")])
    running.service.process_state.bans.lists = (NetworkList("/etc/drop.txt", networks),)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("client", "reason"),
    [
        ("192.0.2.7", "in the list /etc/drop.txt"),
        ("::ffff:192.0.2.7", "in the list /etc/drop.txt"),
        ("192.0.0.0/16", "has addresses of the list /etc/drop.txt"),
    ],
)
def test_list_with_a_client_is_shown(admin: Admin, client: str, reason: str) -> None:
    (row,) = admin.rows("show bans", client=client)
    assert (row["origin"], row["reason"], row["since_s"], row["left_s"]) == ("list", reason, None, None)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"client": "192.0.3.0"},
        {"client": "192.0.3.0/24"},
        {"client": "unix"},
        {"client": "192.0.2.7", "origin": "ctl"},
    ],
)
def test_list_without_the_client_is_not_shown(admin: Admin, filters: dict[str, str]) -> None:
    assert admin.rows("show bans", **filters) == []


@pytest.mark.usefixtures("listed")
def test_all_that_bans_an_address_is_named(running: Running, admin: Admin) -> None:
    assert ban_of(running.service, "192.0.2.7") == "192.0.2.7 is in the list /etc/drop.txt"
    admin.reply("ban", network="192.0.2.7", time="10m", reason="guesses")
    words = "192.0.2.7 is banned by ctl for another 9m59s: guesses; 192.0.2.7 is in the list /etc/drop.txt"
    running.reactor.advance(0.5)
    assert ban_of(running.service, "192.0.2.7") == words
    assert ban_of(running.service, "::ffff:192.0.2.7") == words
    running.service.process_state.bans.exempt = NetworkSet.of([ip_network("192.0.2.0/23")])
    assert ban_of(running.service, "192.0.2.7") == f"{words}; it is in [limits] exempt, so it gets in nevertheless"
    assert ban_of(running.service, "192.0.3.1") == ""


@pytest.mark.usefixtures("listed")
def test_info_counts_bans_by_origin_and_networks_of_lists(admin: Admin) -> None:
    admin.reply("ban", network="192.0.2.7")
    admin.reply("ban", network="192.0.2.0/24", origin="fail2ban")
    (row,) = admin.rows("show info")
    assert (row["bans_by"], row["bans_listed"], row["bans_refused"]) == ({"ctl": 1, "fail2ban": 1}, 1, 0)


@pytest.mark.usefixtures("listed")
def test_unban_names_the_list_with_the_client(admin: Admin) -> None:
    words = (
        "is in /etc/drop.txt ([bans] lists), where `unban` removes nothing: edit the file, "
        "or add 192.0.2.7 to [limits] exempt"
    )
    assert admin.reply("unban", banned="192.0.2.7") == f"192.0.2.7 {words}"
    admin.reply("ban", network="192.0.2.7")
    assert admin.reply("unban", banned="192.0.2.7") == f"192.0.2.7 is not banned any more (it was by ctl), but {words}"


@pytest.fixture
def counting(make: Make, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A service whose rule bans at the third connection in a minute."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)  # as the clock of the service
    condition = Condition(source_rate=SourceRate(over=Rate(2, 60.0)))
    rule = Rule(name="flood", condition=condition, ban=3600.0, refuse=Refuse("close"))
    front = Frontend(name="front", bind=(ANY_PORT,), protocol="imap", tls="none", backend="dovecot", rules=(rule,))
    return make(frontends=(front,))


def test_unban_forgets_the_rates_for_which_a_rule_would_ban_again(counting: Running) -> None:
    admin = admin_of(counting.service, counting.reactor)
    for _ in range(2):
        counting.relay()
    client = counting.client()
    counting.until(lambda: client.fin or client.reset)
    assert [row["origin"] for row in admin.rows("show bans")] == ["rule"]
    assert admin.reply("unban", banned=HERE) == (
        "127.0.0.1 is not banned any more (it was by rule), "
        "and its rates (connections, failed handshakes, refused logins) begin at 0"
    )
    counting.relay()
    assert admin.rows("show bans") == []


def test_other_processes_forget_the_rates_as_well(counting: Running) -> None:
    asked: list[Any] = []

    def ask(question: Any) -> Deferred[object]:
        asked.append(question)
        return succeed(None)

    admin = admin_of(counting.service, counting.reactor, [ask])
    admin.reply("ban", network=HERE)
    admin.reply("unban", banned=HERE)
    counting.relay()
    (row,) = admin.rows("show sources", by="rate")
    assert row["rate"] == 1
    (question,) = asked
    answer_question(counting.service, question)
    assert admin.rows("show sources", by="rate") == []


def test_too_many_bans_are_refused(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans_module, "MAX_BANS", 0)
    assert admin.reply("ban", network=HERE) == "there are 0 bans, the most; unban some first"


def test_kick_ends_the_sessions_of_banned_clients(running: Running, admin: Admin) -> None:
    client, _ = running.relay()
    admin.reply("ban", network="192.0.2.0/24", kick="yes")
    assert len(list(running.service.sessions)) == 1
    words = admin.reply("ban", network="127.0.0.0/8", kick="yes")
    assert words == "127.0.0.0/8 is banned until it is unbanned, and the sessions of its clients end"
    running.until(lambda: client.fin or client.reset)
    client.close()
    running.until(lambda: not list(running.service.sessions))
    running.reactor.advance(1.0)
    (line,) = [event for event in running.events if event.get("event") == "session"]
    assert (line["termination"], line["reason"]) == ("KD", "banned by hand")


def test_ban_alone_leaves_sessions(running: Running, admin: Admin) -> None:
    client, server = running.relay()
    admin.reply("ban", network=HERE)
    server.send(b"* still here\r\n")
    running.until(lambda: client.data.endswith(b"* still here\r\n"))


def test_kick_looks_at_some_sessions_at_a_time(running: Running, admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kicks, "SESSIONS_AT_ONCE", 1)
    for _ in range(3):
        running.relay()
    running.service.kicks.kick(ban(HERE))
    assert len([one for one in running.service.sessions if one.termination is None]) == 2
    admin.turn(3)
    assert [one for one in running.service.sessions if one.termination is None] == []


def test_other_processes_kick_as_well(running: Running) -> None:
    asked: list[Any] = []

    def ask(question: Any) -> Deferred[object]:
        asked.append(question)
        return succeed(None)

    admin = admin_of(running.service, running.reactor, [ask])
    admin.reply("ban", network=HERE, kick="yes")
    (question,) = asked
    assert isinstance(question, KickClients)
    assert question.ban.key == key(HERE)
    admin.reply("unban", banned=HERE)
    running.relay()
    assert [one.termination is None for one in running.service.sessions] == [True]
    answer_question(running.service, question)
    assert all(one.termination is not None for one in running.service.sessions)
