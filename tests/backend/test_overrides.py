"""States and weights that administrators set by hand, from one reading of the configuration to the next."""

from __future__ import annotations

from typing import Any

from mailproxy import config
from mailproxy.backend.backend import Backend
from mailproxy.backend.overrides import Overrides
from mailproxy.backend.server import BackendServer
from tests.backend.test_backend import server


def settings(*servers: config.Server) -> config.Backend:
    return config.Backend(name="dovecot", send_proxy="none", servers=servers)


def first(overrides: Overrides, protocol: str = "imap", **changes: Any) -> BackendServer:
    """The server of a new backend, as for a protocol that it did not have before."""
    return Backend(settings(server(**changes)), protocol, overrides=overrides).pool.servers[0]


def test_server_without_an_override_begins_as_configured() -> None:
    made = first(Overrides(), state="drain", weight=7)
    assert (made.state, made.asked_weight, made.share) == ("drain", 7, 0)


def test_server_begins_as_is_wanted_of_it_in_another_protocol() -> None:
    overrides = Overrides()
    made = first(overrides)
    overrides.set_state("dovecot", made, "maint")
    overrides.set_weight("dovecot", made, 5)
    pop3 = first(overrides, "pop3")
    assert (pop3.state, pop3.asked_weight, pop3.is_usable) == ("maint", 5, False)


def test_override_of_another_server_does_not_count_for_this() -> None:
    overrides = Overrides()
    overrides.set_state("dovecot", first(overrides, name="d2"), "maint")
    overrides.set_state("exim", first(overrides), "maint")
    assert first(overrides).state == "ready"


def test_value_that_changes_in_the_configuration_wins_over_its_override_alone() -> None:
    overrides = Overrides()
    made = first(overrides)
    overrides.set_state("dovecot", made, "maint")
    overrides.set_weight("dovecot", made, 5)
    after = first(overrides, weight=50)
    assert (after.state, after.asked_weight) == ("maint", 50)


def test_override_stays_while_the_configuration_has_the_server_as_it_was() -> None:
    overrides = Overrides()
    overrides.set_state("dovecot", first(overrides), "drain")
    overrides.keep({"dovecot": settings(server(maxconn=3))})
    assert first(overrides).state == "drain"


def test_override_goes_with_the_server() -> None:
    overrides = Overrides()
    overrides.set_state("dovecot", first(overrides), "drain")
    overrides.keep({"dovecot": settings(server("other"))})
    assert first(overrides).state == "ready"


def test_override_that_the_configuration_has_ended_does_not_come_back() -> None:
    overrides = Overrides()
    overrides.set_state("dovecot", first(overrides), "drain")
    overrides.keep({"dovecot": settings(server(state="maint"))})
    overrides.keep({"dovecot": settings(server())})
    assert first(overrides).state == "ready"
