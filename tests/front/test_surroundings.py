"""What the rules of a running front ask about, and the lists that they read."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from mailproxy.bans.ban import Ban, key_of
from mailproxy.bans.bans import BanChange
from mailproxy.config import Config, ConfigError
from mailproxy.front.files import read_files
from mailproxy.front.prepare import Prepared, arrange, prepare
from mailproxy.front.process_state import ProcessState
from mailproxy.front.surroundings import FrontSurroundings
from tests.config.builders import MISSING, read
from tests.rules.builders import Client

SERVERS = {"server": {"d1": {"address": "192.0.2.1:10143"}, "d2": {"address": "192.0.2.2:10143", "backup": True}}}
TEN = ip_address("10.1.2.3").packed


def settings(*rules: dict[str, Any]) -> Config:
    frontend = {"bind": ["127.0.0.1:0"], "protocol": "imap", "tls": "none", "backend": "dovecot", "rule": list(rules)}
    return read(tls=MISSING, frontend={"imap": frontend}, backend={"dovecot": SERVERS, "other": SERVERS})


def adopted(configured: Config, state: ProcessState) -> Prepared:
    made = prepare(configured, "here", state)
    made.adopt()
    return made


def surroundings(*rules: dict[str, Any]) -> tuple[FrontSurroundings, Prepared]:
    configured, state = settings(*rules), ProcessState()
    made = adopted(configured, state)
    return FrontSurroundings(configured, "imap", made.backends, state), made


def test_backends_of_rules_have_pools() -> None:
    _, made = surroundings({"backend": "other"})
    assert set(made.backends) == {("dovecot", "imap"), ("other", "imap")}
    terms = made.frontends[0].terms
    assert terms.backends == {"dovecot": terms.backend, "other": made.backends["other", "imap"]}


def test_frontend_without_rules_has_none() -> None:
    _, made = surroundings()
    assert made.frontends[0].terms.rules is None


def test_servers_that_may_take_clients_are_counted() -> None:
    around, made = surroundings()
    number = around.servers_up("dovecot")
    pool = made.backends["dovecot", "imap"].pool
    assert number() == 1
    for server in pool.servers:
        pool.set_state(server, "maint", 0.0, "")
    assert number() == 0


def test_sessions_are_counted() -> None:
    around, made = surroundings()
    backend, frontend = around.backend_sessions("dovecot"), around.frontend_sessions("imap")
    made.backends["dovecot", "imap"].pool.pick(b"", (), 0.0)
    made.process_state.capacity("imap").join()
    made.process_state.capacity("imap").join()
    assert (backend(), frontend()) == (1, 2)


def test_minute_is_that_of_local_time() -> None:
    around, _ = surroundings()
    before = time.localtime()
    minute = around.minute()
    after = time.localtime()
    assert minute in {(one.tm_wday * 24 + one.tm_hour) * 60 + one.tm_min for one in (before, after)}
    assert around.minute() in (minute, minute + 1)


# Lists of networks.


@pytest.fixture
def office(tmp_path: Path) -> Path:
    made = tmp_path / "office.txt"
    made.write_text("10.0.0.0/8\n")
    return made


@pytest.fixture
def from_office(office: Path) -> Callable[[], Config]:
    return lambda: settings({"if": {"source": f"@{office}"}, "refuse": "close"})


def is_refused(made: Prepared) -> bool:
    rules = made.frontends[0].terms.rules
    assert rules is not None
    return rules.prepared[0].test(Client(source=TEN)) is True


def test_list_is_read_at_the_start(from_office: Callable[[], Config]) -> None:
    assert is_refused(adopted(from_office(), ProcessState()))


def test_start_needs_every_list(office: Path, from_office: Callable[[], Config]) -> None:
    office.write_text("nonsense\n")
    with pytest.raises(ConfigError) as caught:
        prepare(from_office(), "here")
    assert str(caught.value).startswith(f'here: frontend.imap.rule[0]: {office}:1: is "nonsense", needs a network')


def test_reload_keeps_a_list_that_is_broken(office: Path, from_office: Callable[[], Config]) -> None:
    state = ProcessState()
    adopted(from_office(), state)
    office.write_text("11.0.0.0/8\nnonsense\n")
    made = adopted(from_office(), state)
    assert is_refused(made)
    (warning,) = (one for one in made.warnings(datetime.now(UTC)) if "office" in one)
    assert warning.startswith(f"{office}:2: is ")
    assert warning.endswith("; the previous list stays in use")


def test_list_that_a_reload_finds_broken_is_refused_until_one_finds_it_good(
    office: Path, from_office: Callable[[], Config]
) -> None:
    state = ProcessState()
    adopted(from_office(), state)
    office.write_text("11.0.0.0/8\nnonsense\n")
    adopted(from_office(), state)
    assert state.lists.refused[str(office)].startswith(f"{office}:2: is ")
    office.write_text("11.0.0.0/8\n")
    adopted(from_office(), state)
    assert state.lists.refused == {}


def test_list_that_the_configuration_names_no_more_is_not_refused(
    office: Path, from_office: Callable[[], Config]
) -> None:
    state = ProcessState()
    adopted(from_office(), state)
    office.write_text("nonsense\n")
    adopted(from_office(), state)
    adopted(settings({"refuse": "close"}), state)
    assert state.lists.refused == {}


def test_reload_reads_a_changed_list(office: Path, from_office: Callable[[], Config]) -> None:
    state = ProcessState()
    before = adopted(from_office(), state)
    office.write_text("11.0.0.0/8\n")
    made = adopted(from_office(), state)
    assert (is_refused(made), is_refused(before)) == (False, False)


def test_list_that_is_not_named_any_more_is_forgotten(from_office: Callable[[], Config]) -> None:
    state = ProcessState()
    adopted(from_office(), state)
    adopted(settings(), state)
    assert not state.lists.known


def test_lists_are_in_use_only_after_the_reading_is(office: Path, from_office: Callable[[], Config]) -> None:
    state = ProcessState()
    before = adopted(from_office(), state)
    office.write_text("11.0.0.0/8\n")
    configured = from_office()
    files = read_files(configured, "here", state.tls, state.certificates, state.lists.known)
    arrange(configured, "here", files, state)
    assert is_refused(before)


# Sources and bans.


def test_source_that_nobody_has_counted_has_no_connections() -> None:
    rule = {"if": {"source-rate": {"over": "30/1m", "per": "/24"}}, "refuse": "close"}
    around, _ = surroundings(rule)
    (measure,) = settings(rule).measures
    assert around.count(measure)(TEN) == 0


def test_banned_address_is_known() -> None:
    around, made = surroundings()
    assert not around.banned(TEN)
    ban = Ban(key_of(ip_network("10.0.0.0/8")), "ctl", "", 0.0)
    made.process_state.bans.change(BanChange(banned=(ban,)))
    assert around.banned(TEN)


@pytest.mark.parametrize(("rules", "gates"), [((), 1), (({"if": {"not": {"banned": True}}, "accept": True},), 0)])
def test_frontend_that_judges_bans_has_no_gate_for_them(rules: tuple[dict[str, Any], ...], gates: int) -> None:
    assert settings(*rules).frontends[0].judges_bans == (not gates)
